// Words as people read them: without case, accents and punctuation. Used for `words`, when rules are read and when
// they run.

const MARKS = /\p{M}+/gu;
const APOSTROPHES = /['’ʼ]/g;
const BETWEEN = /[^\p{L}\p{N}]+/gu;
const BETWEEN_ASCII = /[^a-z0-9]+/g;
const ASCII = /^[\x00-\x7f]*$/;
/** A syllable of Hangul becomes three characters; only ligatures that are whole phrases become more, up to 18. */
const LONGER_MAX = 3;
/** So that a short word may be such a ligature. */
const LONGER_FREE = 100;

/**
 * Lower case, accents and apostrophes away, everything between words one space, a space at both ends: so that a phrase
 * stands in a text as whole words when the folded text includes the folded phrase. `" "` for a text without words.
 */
export function fold(text: string): string {
  if (ASCII.test(text)) return padded(text.toLowerCase().replace(/'/g, '').replace(BETWEEN_ASCII, ' '));
  // Marks go before as well: putting a long row of them in order takes quadratic time, 20 s for a quarter megabyte.
  const apart = text
    .replace(MARKS, '')
    .normalize('NFKD')
    .slice(0, text.length * LONGER_MAX + LONGER_FREE);
  const plain = apart.replace(MARKS, '').toLowerCase();
  return padded(plain.replace(APOSTROPHES, '').replace(BETWEEN, ' '));
}

function padded(text: string): string {
  return ` ${text.trim()}${text.trim() === '' ? '' : ' '}`;
}
