// Words as people read them: without case, accents and punctuation. Used for `words`, when rules are read and when
// they run.

const MARKS = /\p{M}+/gu;
const APOSTROPHES = /['’ʼ]/g;
const BETWEEN = /[^\p{L}\p{N}]+/gu;
const BETWEEN_ASCII = /[^a-z0-9]+/g;
const ASCII = /^[\x00-\x7f]*$/;

/**
 * Lower case, accents and apostrophes away, everything between words one space, a space at both ends: so that a phrase
 * stands in a text as whole words when the folded text includes the folded phrase. `" "` for a text without words.
 */
export function fold(text: string): string {
  if (ASCII.test(text)) return padded(text.toLowerCase().replace(/'/g, '').replace(BETWEEN_ASCII, ' '));
  const plain = text.normalize('NFKD').replace(MARKS, '').toLowerCase();
  return padded(plain.replace(APOSTROPHES, '').replace(BETWEEN, ' '));
}

function padded(text: string): string {
  return ` ${text.trim()}${text.trim() === '' ? '' : ' '}`;
}
