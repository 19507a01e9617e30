// Hostile text made safe for a terminal and for one line: what a mail says must not move the cursor, colour the screen,
// break a line, or turn the reading order. Called by everything that prints words of a mail.

/** Control characters, line separators, marks that turn the reading order, invisible characters, half surrogates. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|\p{Cs}/gu;

/** One line of at most `max` characters; what is unsafe is shown as `\x1b` or `\u202e`. */
export function safeLine(text: string, max = 500): string {
  const head = text.slice(0, max).replace(UNSAFE, escaped);
  return text.length > max ? `${head}… (${text.length} characters)` : head;
}

/** Several lines: line feeds and tabs stay, the rest as in `safeLine`. */
export function safeText(text: string, max: number): string {
  const head = text.slice(0, max).replace(/\r\n?/g, '\n');
  const shown = head.replace(UNSAFE, char => (char === '\n' || char === '\t' ? char : escaped(char)));
  return text.length > max ? `${shown}\n… (${text.length} characters)` : shown;
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}
