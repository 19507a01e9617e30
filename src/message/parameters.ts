// Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2183, RFC 2231) as lenient clients read them: missing
// semicolons and quotes, comments, encoded words where none belong. Called by walk.ts with unfolded values, one
// character a byte. Time is linear in the value.

import { decodeCharset } from './charset.ts';
import { decodeWords } from './words.ts';

/** RFC 2231 pieces of one parameter; real names need five. */
const PIECES_MAX = 200;
/** Parameters of one field; what follows is passed over. */
const PARAMETERS_MAX = 100;
/** RFC 6838 4.2: type and subtype have at most 127 characters each. One more shows that it is too long. */
const TOKEN_MAX = 128;

export interface Structured {
  /** What stands before the first parameter, lower case, comments and white space removed: `text/plain`. */
  readonly head: string;
  /** One character a byte, as given, by lower-case name; the first of a name counts. */
  readonly values: ReadonlyMap<string, string>;
  /** Names given more than once. */
  readonly repeated: readonly string[];
  /** RFC 2231 pieces by lower-case name, in order of their numbers. */
  readonly pieces: ReadonlyMap<string, readonly Piece[]>;
}

interface Piece {
  readonly index: number;
  /** Percent-encoded, the first with charset and language in front. */
  readonly isExtended: boolean;
  readonly value: string;
}

export function parseStructured(text: string): Structured {
  const cursor: Cursor = { text, at: 0 };
  const head = readHead(cursor);
  const values = new Map<string, string>();
  const repeated: string[] = [];
  const pieces = new Map<string, Piece[]>();
  for (let count = 0; count < PARAMETERS_MAX + PIECES_MAX; count++) {
    const parameter = readParameter(cursor);
    if (parameter === null) break;
    const numbered = /^([^*]+)(?:\*(\d{1,3}))?(\*)?$/.exec(parameter.name);
    const base = numbered?.[1] ?? parameter.name;
    if (numbered === null || (numbered[2] === undefined && numbered[3] === undefined)) {
      if (values.has(base)) repeated.push(base);
      else values.set(base, parameter.value);
      continue;
    }
    const list = pieces.get(base) ?? [];
    pieces.set(base, list);
    if (list.length >= PIECES_MAX) continue;
    list.push({ index: Number(numbered[2] ?? 0), isExtended: numbered[3] === '*', value: parameter.value });
  }
  for (const list of pieces.values()) list.sort((a, b) => a.index - b.index);
  return { head, values, repeated, pieces };
}

/** One character a byte, not decoded: for boundary and charset. '' where there is none. */
export function rawValue(structured: Structured, name: string): string {
  const value = structured.values.get(name);
  if (value !== undefined) return value;
  return (structured.pieces.get(name) ?? []).map(piece => piece.value.replace(/^[^']{0,60}'[^']{0,40}'/, '')).join('');
}

/** Decoded as clients do: the RFC 2231 form before the plain one, encoded words read although RFC 2231 forbids them. */
export function textValue(structured: Structured, name: string): string | null {
  const pieces = structured.pieces.get(name);
  if (pieces !== undefined && pieces.length > 0) return joinPieces(pieces);
  const value = structured.values.get(name);
  return value === undefined ? null : decodeWords(value);
}

function joinPieces(pieces: readonly Piece[]): string {
  const start = pieces[0]?.isExtended === true ? /^([^']{0,60})'[^']{0,40}'/.exec(pieces[0].value) : null;
  const chunks = pieces.map((piece, i) => {
    const value = i === 0 && start !== null ? piece.value.slice(start[0].length) : piece.value;
    return piece.isExtended ? percentDecoded(value) : Buffer.from(value, 'latin1');
  });
  const bytes = Buffer.concat(chunks);
  if (start !== null) return decodeCharset(bytes, start[1] ?? '').text;
  return decodeWords(bytes.toString('latin1'));
}

function percentDecoded(value: string): Buffer {
  const plain = value.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}

interface Cursor {
  readonly text: string;
  at: number;
}

/** A token, or two with a slash between them; what follows without a semicolon is read as a parameter. */
function readHead(cursor: Cursor): string {
  const type = readToken(cursor);
  if (cursor.text[cursor.at] !== '/') return type;
  cursor.at++;
  return `${type}/${readToken(cursor)}`;
}

function readToken(cursor: Cursor): string {
  skipBlanks(cursor);
  const start = cursor.at;
  cursor.at = indexOf(/[\s;/("]/g, cursor);
  const token = cursor.text.slice(start, Math.min(cursor.at, start + TOKEN_MAX)).toLowerCase();
  skipBlanks(cursor);
  return token;
}

interface Parameter {
  readonly name: string;
  readonly value: string;
}

function readParameter(cursor: Cursor): Parameter | null {
  const { text } = cursor;
  while (cursor.at < text.length) {
    skipBlanks(cursor);
    if (text[cursor.at] === ';') {
      cursor.at++;
      continue;
    }
    const start = cursor.at;
    cursor.at = indexOf(/[\s;=("]/g, cursor);
    const name = text.slice(start, cursor.at).toLowerCase();
    skipBlanks(cursor);
    if (text[cursor.at] === '=') {
      cursor.at++;
      skipBlanks(cursor);
      if (name !== '') return { name, value: readValue(cursor, name) };
    } else if (cursor.at === start) {
      cursor.at++;
    }
  }
  return null;
}

function readValue(cursor: Cursor, name: string): string {
  if (cursor.text[cursor.at] === '"') return readQuoted(cursor);
  const start = cursor.at;
  // File names come unquoted with blanks and brackets in them, and clients show the whole; other values are tokens.
  const isName = /^(?:file)?name(?:\*|$)/.test(name);
  cursor.at = indexOf(isName ? /;|\s(?=(?:file)?name\*\d)/gi : /[\s;(]/g, cursor);
  return cursor.text.slice(start, cursor.at).trim();
}

/** Up to the closing quote, or to the end where there is none. A backslash before anything but these two is kept: paths. */
function readQuoted(cursor: Cursor): string {
  const { text } = cursor;
  const pieces: string[] = [];
  let start = cursor.at + 1;
  let at = start;
  for (; at < text.length && text[at] !== '"'; at++) {
    if (text[at] !== '\\' || !/["\\]/.test(text[at + 1] ?? '')) continue;
    pieces.push(text.slice(start, at));
    start = ++at;
  }
  pieces.push(text.slice(start, at));
  cursor.at = at + 1;
  return pieces.join('');
}

/** Where the next match begins, the length of the text where there is none. */
function indexOf(pattern: RegExp, { text, at }: Cursor): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.index ?? text.length;
}

function skipBlanks(cursor: Cursor): void {
  while (cursor.at < cursor.text.length) {
    if (/\s/.test(cursor.text[cursor.at] ?? '')) cursor.at++;
    else if (!skipComment(cursor)) return;
  }
}

/** Comments nest (RFC 5322 3.2.2); one without an end reaches to the end of the value. */
function skipComment(cursor: Cursor): boolean {
  if (cursor.text[cursor.at] !== '(') return false;
  let depth = 0;
  for (; cursor.at < cursor.text.length; cursor.at++) {
    const char = cursor.text[cursor.at];
    if (char === '\\') cursor.at++;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) {
      cursor.at++;
      return true;
    }
  }
  return true;
}

/** The first word of a value with comments, as Content-Transfer-Encoding has it: lower case. */
export function firstToken(text: string): string {
  return readToken({ text, at: 0 });
}

/** The name as a client shows it: no folders, no control characters, at most 255 characters with its end kept. */
export function shownName(name: string | null, max: number): string | null {
  if (name === null) return null;
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  const clean = base.replace(/[\x00-\x1f\x7f]+/g, '').trim();
  if (clean === '') return null;
  return clean.length <= max ? clean : `${clean.slice(0, max - 21)}…${clean.slice(-20)}`;
}
