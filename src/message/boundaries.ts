// The delimiters (RFC 2046 5.1.1) of all multiparts that are open at one place of a message, looked up in one step:
// comparing each line with each open multipart would cost lines times depth, which is what attackers send.

import { BOUNDARY_MAX } from './limits.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const DASH = 0x2d;

/** White space after a long boundary (RFC 2046: transport padding) that is still read. */
const PADDING_MAX = 100;

export interface Delimiter {
  /** The level given to `open`. */
  readonly level: number;
  /** `--boundary--`: the multipart is closed. */
  readonly isClose: boolean;
  readonly lineStart: number;
  /** First byte after the line. */
  readonly next: number;
}

export class Boundaries {
  /** Levels of open multiparts by boundary, the innermost last. */
  readonly #levels = new Map<string, number[]>();
  /** How many open boundaries have that length: most lines need no look-up. */
  readonly #lengths = new Uint32Array(BOUNDARY_MAX + 1);

  /** False where an open multipart has the same boundary: it is hidden until this one is gone. */
  open(boundary: string, level: number): boolean {
    const levels = this.#levels.get(boundary);
    if (levels === undefined) this.#levels.set(boundary, [level]);
    else levels.push(level);
    this.#lengths[boundary.length] = (this.#lengths[boundary.length] ?? 0) + 1;
    return levels === undefined;
  }

  /** Forgets the innermost multipart of this boundary. */
  drop(boundary: string): void {
    const levels = this.#levels.get(boundary);
    if (levels === undefined) return;
    levels.pop();
    if (levels.length === 0) this.#levels.delete(boundary);
    this.#lengths[boundary.length] = (this.#lengths[boundary.length] ?? 1) - 1;
  }

  /** Is another multipart hidden behind the innermost of this boundary? */
  hides(boundary: string): boolean {
    return (this.#levels.get(boundary)?.length ?? 0) > 1;
  }

  /** The first delimiter at or after `from`, which is the start of a line; null where there is none. */
  find(bytes: Buffer, from: number): Delimiter | null {
    if (this.#levels.size === 0) return null;
    const { length } = bytes;
    for (let at = from; at < length; at++) {
      if (bytes[at] === DASH && bytes[at + 1] === DASH) {
        const delimiter = this.match(bytes, at);
        if (delimiter !== null) return delimiter;
      }
      while (at < length && bytes[at] !== LF) at++;
    }
    return null;
  }

  /**
   * Reads the line that starts at `lineStart` with `--`. What follows a boundary after white space does not count
   * (RFC 2046 5.1.1, note to implementors); a boundary with a blank in it is tried first.
   */
  match(bytes: Buffer, lineStart: number): Delimiter | null {
    const start = lineStart + 2;
    const limit = Math.min(bytes.length, start + BOUNDARY_MAX + 2 + PADDING_MAX);
    let lineEnd = start;
    let blank = -1;
    for (; lineEnd < limit && bytes[lineEnd] !== LF; lineEnd++) {
      if (blank === -1 && isBlank(bytes[lineEnd])) blank = lineEnd;
    }
    const isWhole = lineEnd < limit || limit === bytes.length;
    let end = isWhole ? lineEnd : start;
    while (end > start && isBlank(bytes[end - 1])) end--;
    const found =
      this.#lookUp(bytes, start, end) ?? (blank === -1 || blank === end ? null : this.#lookUp(bytes, start, blank));
    if (found === null) return null;
    const newline = isWhole ? lineEnd : bytes.indexOf(LF, lineEnd);
    return { ...found, lineStart, next: newline === -1 ? bytes.length : Math.min(bytes.length, newline + 1) };
  }

  /** A boundary may itself end in `--`: the whole is tried first. */
  #lookUp(bytes: Buffer, start: number, end: number): { level: number; isClose: boolean } | null {
    const level = this.#levelOf(bytes, start, end);
    if (level !== undefined) return { level, isClose: false };
    if (end - start < 2 || bytes[end - 1] !== DASH || bytes[end - 2] !== DASH) return null;
    const closed = this.#levelOf(bytes, start, end - 2);
    return closed === undefined ? null : { level: closed, isClose: true };
  }

  #levelOf(bytes: Buffer, start: number, end: number): number | undefined {
    if ((this.#lengths[end - start] ?? 0) === 0) return undefined;
    return this.#levels.get(bytes.toString('latin1', start, end))?.at(-1);
  }
}

/** Lines of the body that are looked at for a delimiter nobody declared. */
const GUESS_LINES = 200;
/** And bytes, for lines may be long, and many parts may ask. */
const GUESS_BYTES = 65_536;

/**
 * The boundary of a multipart that declares none: the first line of its body that looks like a delimiter and is
 * followed by a header field or an empty line. Clients guess so too. '' where there is none.
 */
export function guessBoundary(message: Buffer, from: number): string {
  const bytes = message.subarray(from, from + GUESS_BYTES);
  let at = 0;
  for (let line = 0; line < GUESS_LINES && at < bytes.length; line++) {
    const newline = bytes.indexOf(LF, at);
    const next = newline === -1 ? bytes.length : newline + 1;
    if (bytes[at] === DASH && bytes[at + 1] === DASH && next - at < BOUNDARY_MAX) {
      const boundary = bytes.toString('latin1', at + 2, next).trimEnd();
      const follows = bytes.toString('latin1', next, next + 100);
      if (/^[!-~][ -~]*$/.test(boundary) && /^(?:\r?\n|[A-Za-z][A-Za-z-]*:)/.test(follows)) return boundary;
    }
    at = next;
  }
  return '';
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === CR;
}
