// Header values as a person reads them: unfolded (RFC 5322 2.2.3), encoded words decoded (RFC 2047), bytes beyond
// ASCII read as UTF-8 (RFC 6532). Used for header fields, file names and parameter values. Time grows with the length
// of the value and nothing else.

import { decodeCharset, decodeUnnamed } from './charset.ts';
import { decodeBase64, decodeQuotedPrintable } from './transfer.ts';

/** Charset with its language suffix (RFC 2231 section 5), encoding, text; blanks in the text are wrong but common. */
const WORD = /=\?([^?\s*]{1,60})(?:\*[^?\s]{0,40})?\?([bq])\?([^?]*)\?=/giy;

/** `raw` has one character a byte; so has the result, with folds and control characters taken out. */
export function unfold(raw: string): string {
  const line = raw.includes('\n') ? raw.split('\n').map(trimBlanks).join(' ') : raw;
  return trimBlanks(/[\x00-\x08\x0b-\x1f\x7f]/.test(line) ? withoutControls(line) : line);
}

/** `text` has one character a byte, unfolded. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return decodeBytes(text);
  const pieces: string[] = [];
  let pending: Pending | null = null;
  let at = 0;
  for (let next = text.indexOf('=?'); next !== -1; ) {
    WORD.lastIndex = next;
    const match = WORD.exec(text);
    if (match === null) {
      next = text.indexOf('=?', next + 2);
      continue;
    }
    const between = text.slice(at, next);
    const word = wordOf(match);
    // White space between two encoded words belongs to neither (RFC 2047 6.2); a character may be split between them.
    if (pending !== null && between.trim() === '' && pending.charset === word.charset) {
      append(pending, word);
    } else {
      if (pending !== null) pieces.push(decodePending(pending));
      if (pending === null || between.trim() !== '') pieces.push(decodeBytes(between));
      pending = word;
    }
    at = WORD.lastIndex;
    next = text.indexOf('=?', at);
  }
  if (pending !== null) pieces.push(decodePending(pending));
  pieces.push(decodeBytes(text.slice(at)));
  return pieces.join('');
}

/** Words of one charset that follow each other. */
interface Pending {
  readonly charset: string;
  readonly runs: Run[];
}

interface Run {
  readonly isBase64: boolean;
  text: string;
}

function wordOf(match: RegExpExecArray): Pending {
  const isBase64 = match[2] === 'b' || match[2] === 'B';
  return { charset: (match[1] ?? '').toLowerCase(), runs: [{ isBase64, text: match[3] ?? '' }] };
}

/** Some senders cut base64 anywhere, so that neighbours only decode together. */
function append({ runs }: Pending, word: Pending): void {
  const [run] = word.runs;
  const last = runs.at(-1);
  if (run === undefined) return;
  if (last?.isBase64 === true && run.isBase64) last.text += run.text;
  else runs.push(run);
}

function decodePending({ charset, runs }: Pending): string {
  const chunks = runs.map(({ isBase64, text }) => {
    const bytes = Buffer.from(text, 'latin1');
    return isBase64 ? decodeBase64(bytes) : decodeQuotedPrintable(bytes, true);
  });
  const text = decodeCharset(Buffer.concat(chunks), charset).text;
  // A line end inside a word would make one field look like two.
  return text.replace(/[\x00-\x1f\x7f]+/g, match => (/[\t\r\n]/.test(match) ? ' ' : ''));
}

/** One character a byte to what it says. */
export function decodeBytes(text: string): string {
  return /[\x80-\xff]/.test(text) ? decodeUnnamed(Buffer.from(text, 'latin1')) : text;
}

/** NUL and its like are not shown by clients; white space among them separates. */
function withoutControls(text: string): string {
  return text.replace(/[\x00-\x08\x0e-\x1f\x7f]+/g, '').replace(/[\r\v\f]+/g, ' ');
}

/** As trim(), but for one character a byte: there U+00A0 may be half of a UTF-8 character. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}
