// How many columns of a terminal a text takes, and texts cut to so many. Called where something stands in columns or
// under something else. Takes text that is already harmless (terminal-text.ts); controls are not counted here.

/** East Asian wide and full-width characters, and emoji (Unicode UAX 11, in ranges that change little). */
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** What stands above or below the character before it, or joins it. */
const NARROW = /\p{Mn}|\p{Me}|[\u1160-\u11ff]/u;

/** Columns of a terminal: East Asian letters and emoji take two, combining marks none. */
export function textWidth(text: string): number {
  // Most of what is shown is ASCII, and a table asks for every cell.
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** As much from the start as fits into `width` columns, and the rest. A mark stays with its letter. */
export function splitAt(text: string, width: number): readonly [string, string] {
  let used = 0;
  let at = 0;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    at += character.length;
  }
  return [text.slice(0, at), text.slice(at)];
}

/** `abcdef…` */
export function cutEnd(text: string, width: number): string {
  return textWidth(text) <= width ? text : `${splitAt(text, width - 1)[0]}…`;
}

/** `some.name…@example.org`: addresses and paths differ at both ends. */
export function cutMiddle(text: string, width: number): string {
  const whole = textWidth(text);
  if (whole <= width) return text;
  const room = Math.max(0, width - 1);
  const tail = Math.floor(room / 2);
  const [head] = splitAt(text, room - tail);
  // What goes away is measured from the front: the rest may be narrower by a column, never wider.
  let [, rest] = splitAt(text, whole - tail);
  while (textWidth(rest) > tail) [, rest] = splitAt(rest, Math.max(1, characterWidth([...rest][0] ?? '')));
  return `${head}…${rest}`;
}

/** Filled with blanks to `width` columns. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text))) + text;
}

function characterWidth(character: string): number {
  return NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}
