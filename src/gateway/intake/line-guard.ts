// The bytes of DATA on their way to the spool: bare CR and LF become CRLF (or are refused), NUL is refused, size and
// Received fields are counted (I10). Works on chunks of any cut, with a state of a few bytes.

import { MailError } from '../../mail/error.ts';

export interface GuardLimits {
  /** Bytes of content. */
  readonly messageBytes: number;
  /** Received fields in the header section; RFC 5321 6.3 asks for at least 100, real routes stay under 30. */
  readonly receivedHeaders: number;
  /** Of those, how many may name us: mail that our own server forwards passes here twice, a loop more often. */
  readonly ownReceived: number;
  readonly bareNewlines: 'normalize' | 'refuse';
  /** Our host name, as it stands in `by` of our Received fields. */
  readonly hostname: string;
}

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const CRLF = Buffer.from('\r\n');
/** Of each header line only so much is looked at. */
const LINE_LOOK = 1024;
/**
 * Of the header section only so much: each hop puts its fields on top, so a loop shows long before, and a larger section
 * counts as unscannable. Lines of three octets would cost the main thread 6 s for the largest message.
 */
const HEADER_LOOK = 1024 * 1024;

/** Reads the chunks of one message. Throws MailError tooLarge, nulInContent, bareNewline, loop. */
export class LineGuard {
  readonly #limits: GuardLimits;
  #size = 0;
  #lastWasCr = false;
  #beginsFolded = false;
  /** The beginning of the current header line, latin1; null after the header section. */
  #line: string | null = '';
  /** The folded Received field that is being read, '' outside one. */
  #received = '';
  #receivedCount = 0;
  #ownCount = 0;
  /** The values of X-Postern-Release fields at the top, for the one who knows the key. */
  readonly #marks: string[] = [];

  constructor(limits: GuardLimits) {
    this.#limits = limits;
  }

  /** Bytes after normalisation so far. */
  get sizeBytes(): number {
    return this.#size;
  }

  /** Does the message begin with white space, as the continuation of a header field does? */
  get beginsFolded(): boolean {
    return this.#beginsFolded;
  }

  /** The first X-Postern-Release field's value, null where there is none. */
  get releaseMark(): string | null {
    return this.#marks[0] ?? null;
  }

  /** The chunk as it goes to the spool. A CR at its end is held back until it is known what follows. */
  push(chunk: Uint8Array): Uint8Array {
    const input = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (input.includes(0)) throw new MailError('nulInContent', 'NUL in the content');
    return this.#count(this.#normalise(input));
  }

  /** What was held back, and the line end that a message without one lacks. */
  end(): Uint8Array {
    if (!this.#lastWasCr) return Buffer.alloc(0);
    this.#lastWasCr = false;
    this.#refuseBare('CR');
    return this.#count(CRLF);
  }

  #normalise(input: Buffer): Buffer {
    const first = this.#lastWasCr ? 0 : firstBare(input);
    if (first === -1) return input;
    // Octet by octet, for a message of nothing but bare CR would else be millions of pieces.
    const output = Buffer.allocUnsafe(first + 2 * (input.length - first) + 2);
    let length = input.copy(output, 0, 0, first);
    let wasCr = this.#lastWasCr;
    for (let at = first; at < input.length; at++) {
      const octet = input[at] ?? 0;
      if (wasCr && octet !== LF) this.#refuseBare('CR');
      if (!wasCr && octet === LF) this.#refuseBare('LF');
      if (wasCr || octet === LF) {
        output[length++] = CR;
        output[length++] = LF;
      }
      if (octet !== CR && octet !== LF) output[length++] = octet;
      wasCr = octet === CR;
    }
    this.#lastWasCr = wasCr;
    return output.subarray(0, length);
  }

  #refuseBare(what: string): void {
    if (this.#limits.bareNewlines === 'refuse') throw new MailError('bareNewline', `bare ${what} in the content`);
  }

  #count(output: Buffer): Buffer {
    if (this.#size === 0 && output.length > 0) this.#beginsFolded = output[0] === SPACE || output[0] === TAB;
    this.#size += output.length;
    if (this.#size > this.#limits.messageBytes) {
      throw new MailError('tooLarge', `more than ${this.#limits.messageBytes} bytes`);
    }
    if (this.#line !== null) this.#readHeader(output);
    if (this.#size > HEADER_LOOK) this.#line = null;
    return output;
  }

  /** Header lines one by one, until the empty line. Line ends are CRLF by now, but may be cut between chunks. */
  #readHeader(output: Buffer): void {
    for (let at = 0; at < output.length && this.#line !== null; ) {
      const end = output.indexOf(LF, at);
      const stop = end === -1 ? output.length : end;
      const room = LINE_LOOK - this.#line.length;
      if (room > 0) this.#line += output.toString('latin1', at, Math.min(stop, at + room));
      at = stop + 1;
      if (end === -1) return;
      const line = this.#line.replace(/\r$/, '');
      this.#line = '';
      this.#headerLine(line);
    }
  }

  #headerLine(line: string): void {
    if (/^[ \t]/.test(line)) {
      if (this.#received !== '' && this.#received.length < LINE_LOOK) this.#received += line;
      return;
    }
    this.#endReceived();
    if (line === '') this.#line = null;
    else if (/^received[ \t]*:/i.test(line)) this.#received = line;
    else {
      const mark = /^x-postern-release[ \t]*:[ \t]*(.*)$/i.exec(line);
      if (mark !== null && this.#marks.length === 0) this.#marks.push(mark[1] ?? '');
    }
  }

  #endReceived(): void {
    if (this.#received === '') return;
    this.#receivedCount++;
    const by = /\sby\s+([^\s;()]+)/i.exec(this.#received);
    if (by?.[1]?.toLowerCase() === this.#limits.hostname.toLowerCase()) this.#ownCount++;
    this.#received = '';
    if (this.#receivedCount > this.#limits.receivedHeaders) {
      throw new MailError('loop', `more than ${this.#limits.receivedHeaders} Received fields`);
    }
    if (this.#ownCount > this.#limits.ownReceived) {
      throw new MailError('loop', `passed here ${this.#ownCount} times already`);
    }
  }
}

/** Where a CR or LF stands that is no part of a CRLF, or a CR at the end, of which nobody knows yet; -1 for nowhere. */
function firstBare(input: Buffer): number {
  let lf = input.indexOf(LF);
  for (let cr = input.indexOf(CR); ; cr = input.indexOf(CR, cr + 2), lf = input.indexOf(LF, lf + 1)) {
    if (cr === -1 && lf === -1) return -1;
    if (cr === -1 || (lf !== -1 && lf < cr)) return lf;
    if (lf !== cr + 1) return cr;
  }
}
