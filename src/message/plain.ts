// Plain text as paragraphs, one a line, so that a phrase is found wherever its sender's mail program broke the line.
// Also finds the URLs in text. Used by views.ts and html.ts; time is linear in the text.

/** White space other than \n, where it is not one plain blank already (most are, and a match costs). */
const BLANKS = /[^\S\n ][^\S\n]*| [^\S\n]+/g;

/**
 * Paragraphs are parted by at least one line that is empty or blank; other line ends are soft. As SpamAssassin's
 * `body`: white space is folded, each paragraph is a line.
 */
export function foldText(text: string): string {
  return text
    .replace(BLANKS, ' ')
    .replace(/\n ?(?:\n ?)+/g, '\0')
    .replace(/ ?\n ?/g, ' ')
    .replace(/ ?\0[\0 ]*/g, '\n')
    .trim();
}

/** A URL as people write it: with a scheme, or beginning with www. */
const URL_IN_TEXT = /(?<![a-z0-9])(?:(?:https?|ftps?):\/{1,3}|www\d?\.)[^\s<>"`{}|\\^\u0000-\u001f\u007f]+/gi;

/** Marks after a URL that belong to the sentence. */
const TRAILING = new Set(".,;:!?'*_~’”»…");

export function urlsInText(text: string, max: number): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(URL_IN_TEXT)) {
    found.push(withoutTrailing(match[0].slice(0, 10_000)));
    if (found.length >= max) break;
  }
  return found;
}

/** A bracket at the end stays where one was opened in the URL. */
function withoutTrailing(url: string): string {
  const isOpened = { ')': url.includes('('), ']': url.includes('[') };
  let end = url.length;
  for (; end > 0; end--) {
    const char = url[end - 1] ?? '';
    if (TRAILING.has(char)) continue;
    if ((char === ')' || char === ']') && !isOpened[char]) continue;
    break;
  }
  return url.slice(0, end);
}
