// One header section (RFC 5322 section 2.2): where it ends and what fields it has. Called by walk.ts for the message
// and for each part. Reads bytes by offset and copies nothing but field names; values are decoded when asked for.

import type { Header } from '../mail/message.ts';
import { decodeWords, unfold } from './words.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const DASH = 0x2d;

/** Longer names are nobody's: RFC 5322 2.1.1 ends a line at 998. */
const FIELD_NAME_MAX = 998;

export class Field implements Header {
  readonly name: string;
  readonly lowerName: string;
  /** Bytes of the whole field in the buffer its part lies in, without the last line end: [start, end). */
  readonly start: number;
  readonly end: number;
  readonly #bytes: Buffer;
  readonly #valueStart: number;
  #value: string | null = null;

  constructor(bytes: Buffer, at: FieldPlace) {
    this.name = bytes.toString('latin1', at.start, at.nameEnd);
    this.lowerName = this.name.toLowerCase();
    this.start = at.start;
    this.end = at.end;
    this.#bytes = bytes;
    this.#valueStart = at.colon + 1;
  }

  get raw(): string {
    return this.#bytes.toString('latin1', this.#valueStart, this.end);
  }

  /** One character a byte, unfolded, not decoded. */
  get unfolded(): string {
    return unfold(this.raw);
  }

  get value(): string {
    this.#value ??= decodeWords(this.unfolded).trim();
    return this.#value;
  }
}

export interface HeaderOptions {
  readonly maxBytes: number;
  /** How many fields may still be made. */
  readonly maxFields: number;
  /** Is the line that starts here and begins with `--` a delimiter of an open multipart? */
  readonly isDelimiter: (lineStart: number) => boolean;
}

export interface HeaderSection {
  readonly fields: readonly Field[];
  /** First byte of the body. */
  readonly bodyStart: number;
  /** What came after the fields: an empty line as it should, a delimiter, the end of the input, or text. */
  readonly endedBy: 'empty line' | 'delimiter' | 'input' | 'text';
  /** The first line that is no field and continues none, '' where there is none; at most 80 characters. */
  readonly strayLine: string;
  /** Begins with the `From ` line of an mbox file. */
  readonly hasMboxLine: boolean;
  readonly hasNul: boolean;
  /** A CR that ends no line. */
  readonly hasBareCr: boolean;
  /** The budget that ended, null when all fields were read. */
  readonly over: 'headerBytes' | 'headerFields' | null;
}

export function readHeaderSection(bytes: Buffer, start: number, options: HeaderOptions): HeaderSection {
  const reading: Reading = {
    bytes,
    start,
    options,
    fields: [],
    current: null,
    stray: -1,
    isBlank: false,
    isText: false,
    hasMbox: false,
    over: null,
  };
  let endedBy: HeaderSection['endedBy'] = 'input';
  let bodyStart = bytes.length;
  for (let at = start; at < bytes.length; ) {
    const newline = bytes.indexOf(LF, at);
    const next = newline === -1 ? bytes.length : newline + 1;
    const end = contentEnd(bytes, at, next);
    if (end === at) {
      [endedBy, bodyStart] = ['empty line', next];
      break;
    }
    if (bytes[at] === DASH && bytes[at + 1] === DASH && options.isDelimiter(at)) {
      [endedBy, bodyStart] = ['delimiter', at];
      break;
    }
    if (next - start > options.maxBytes) reading.over = 'headerBytes';
    if (reading.over === null) addLine(reading, at, end);
    if (reading.isText) break;
    at = next;
  }
  keepField(reading);

  // Text where fields should be: it is the body where no empty line or no field says otherwise (RFC 5322 2.1), and
  // after a line of blanks, which many take for the empty one.
  const { fields, stray, over } = reading;
  const isText = stray !== -1 && over === null && (endedBy !== 'empty line' || fields.length === 0);
  if (isText) [endedBy, bodyStart] = ['text', stray];
  return {
    fields: isText ? fields.filter(field => field.start < stray) : fields,
    bodyStart,
    endedBy,
    strayLine: stray === -1 ? '' : lineText(bytes, stray),
    hasMboxLine: reading.hasMbox,
    hasNul: bytes.subarray(start, bodyStart).includes(0),
    hasBareCr: hasBareCr(bytes.subarray(start, bodyStart)),
    over,
  };
}

interface FieldPlace {
  readonly start: number;
  readonly colon: number;
  readonly nameEnd: number;
  readonly end: number;
}

interface Reading {
  readonly bytes: Buffer;
  readonly start: number;
  readonly options: HeaderOptions;
  readonly fields: Field[];
  /** The field whose folded lines may follow. */
  current: FieldPlace | null;
  /** Where the first stray line starts, -1 for none. */
  stray: number;
  /** The line before has nothing but blanks. */
  isBlank: boolean;
  /** A stray line right after such a line: the header section is over. */
  isText: boolean;
  hasMbox: boolean;
  over: HeaderSection['over'];
}

function addLine(reading: Reading, at: number, end: number): void {
  const { bytes, current } = reading;
  if (bytes[at] === SPACE || bytes[at] === TAB) {
    reading.isBlank = isBlankLine(bytes, at, end);
    if (current !== null) reading.current = { ...current, end };
    return;
  }
  keepField(reading);
  reading.current = fieldAt(bytes, at, end);
  const wasBlank = reading.isBlank;
  reading.isBlank = false;
  if (reading.current !== null) return;
  if (wasBlank) [reading.isText, reading.stray] = [true, at];
  else if (at === reading.start && isMboxLine(bytes, at)) reading.hasMbox = true;
  else if (reading.stray === -1) reading.stray = at;
}

function isBlankLine(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== SPACE && bytes[at] !== TAB) return false;
  return true;
}

function keepField(reading: Reading): void {
  const { bytes, current, fields, options } = reading;
  if (current === null) return;
  if (fields.length >= options.maxFields) reading.over = 'headerFields';
  else fields.push(new Field(bytes, current));
  reading.current = null;
}

/** The first field of that name (lower case). */
export function first(fields: readonly Field[], name: string): Field | undefined {
  return fields.find(field => field.lowerName === name);
}

/** Where a line ends without its line end; `next` is where the following one begins. */
export function contentEnd(bytes: Buffer, start: number, next: number): number {
  let end = next;
  if (end > start && bytes[end - 1] === LF) {
    end--;
    if (end > start && bytes[end - 1] === CR) end--;
  }
  return end;
}

/** At most 80 characters of the line, for people. */
function lineText(bytes: Buffer, start: number): string {
  const newline = bytes.indexOf(LF, start);
  const end = contentEnd(bytes, start, newline === -1 ? bytes.length : newline + 1);
  return bytes.toString('latin1', start, Math.min(start + 80, end));
}

/** A field name is printable ASCII; white space before the colon is obsolete but read (RFC 5322 4.5). */
function fieldAt(bytes: Buffer, start: number, end: number): FieldPlace | null {
  let at = start;
  const limit = Math.min(end, start + FIELD_NAME_MAX);
  while (at < limit && bytes[at] !== COLON && isNameByte(bytes[at])) at++;
  const nameEnd = at;
  while (at < limit && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return nameEnd > start && at < limit && bytes[at] === COLON ? { start, colon: at, nameEnd, end } : null;
}

function isNameByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > 0x20 && byte < 0x7f;
}

function isMboxLine(bytes: Buffer, at: number): boolean {
  const text = bytes.toString('latin1', at, at + 6);
  return text.startsWith('From ') || text === '>From ';
}

function hasBareCr(section: Buffer): boolean {
  for (let at = section.indexOf(CR); at !== -1; at = section.indexOf(CR, at + 1)) {
    if (section[at + 1] !== LF) return true;
  }
  return false;
}
