// Reads what another server says: SMTP and LMTP replies (RFC 5321 section 4.2), from bytes in any pieces. Pure.
// The other server is as hostile as any: every line, count and size has a limit. Called by wire.ts.

import type { HopReply } from '../mail/ports.ts';

/** RFC 5321 4.5.3.1.5 allows 512; longer ones are seen, so there is room. */
export const REPLY_LINE_MAX = 2048;
/** No server in use answers EHLO with more than 40. */
export const REPLY_LINES_MAX = 100;
export const REPLY_BYTES_MAX = 64 * 1024;
/** HopReply.text: what fits a log line and a reply to our client. */
export const REPLY_TEXT_MAX = 500;

export interface ParsedReply {
  readonly code: number;
  /** Without the code; controls still in them. */
  readonly rawLines: readonly string[];
}

/** What came is no reply; where the next one would begin is not known, so the connection is of no use any more. */
export class GarbledReply extends Error {
  override readonly name = 'GarbledReply';
}

export class ReplyParser {
  #rest: Buffer = Buffer.alloc(0);
  #rawLines: string[] = [];
  #code = 0;
  #bytes = 0;

  /** True when nothing was received since the last whole reply. */
  get isEmpty(): boolean {
    return this.#rest.length === 0 && this.#rawLines.length === 0;
  }

  /** The replies that are whole now. Throws GarbledReply. */
  push(bytes: Uint8Array): ParsedReply[] {
    const data = this.#rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#rest, bytes]);
    const replies: ParsedReply[] = [];
    let start = 0;
    for (let end = data.indexOf(10); end !== -1; end = data.indexOf(10, start)) {
      const reply = this.#line(data.subarray(start, end));
      if (reply !== null) replies.push(reply);
      start = end + 1;
    }
    this.#rest = data.subarray(start);
    if (this.#rest.length > REPLY_LINE_MAX)
      throw new GarbledReply(`a reply line is longer than ${REPLY_LINE_MAX} bytes`);
    return replies;
  }

  #line(bytes: Buffer): ParsedReply | null {
    if (bytes.length > REPLY_LINE_MAX) throw new GarbledReply(`a reply line is longer than ${REPLY_LINE_MAX} bytes`);
    this.#bytes += bytes.length;
    if (this.#bytes > REPLY_BYTES_MAX) throw new GarbledReply(`a reply is longer than ${REPLY_BYTES_MAX} bytes`);
    // Some servers end lines in LF alone: harmless here, for a reply carries no other lines inside it.
    const text = bytes.toString('utf8').replace(/\r$/, '');
    const parts = /^([2-5][0-9]{2})(?:([ -])(.*))?$/s.exec(text);
    if (parts === null) throw new GarbledReply(`not a reply: ${JSON.stringify(text.slice(0, 80))}`);
    const code = Number(parts[1]);
    // RFC 5321 4.2.1: the code is the same on every line.
    if (this.#rawLines.length > 0 && code !== this.#code) throw new GarbledReply(`code ${this.#code} became ${code}`);
    this.#code = code;
    this.#rawLines.push(parts[3] ?? '');
    if (parts[2] === '-') {
      if (this.#rawLines.length >= REPLY_LINES_MAX) throw new GarbledReply(`a reply has over ${REPLY_LINES_MAX} lines`);
      return null;
    }
    const reply = { code, rawLines: this.#rawLines };
    this.#rawLines = [];
    this.#bytes = 0;
    return reply;
  }
}

/** The reply as the port has it: enhanced status (RFC 2034) split off, one line, nothing in it that could break a line. */
export function hopReply({ code, rawLines }: ParsedReply): HopReply {
  let enhanced: string | null = null;
  const texts = rawLines.map(rawLine => {
    const status = /^([245]\.\d{1,3}\.\d{1,3})(?=\s|$)/.exec(rawLine)?.[1];
    // RFC 2034 section 4: its class is that of the code; else it is text.
    if (status === undefined || status[0] !== String(code)[0]) return rawLine;
    enhanced ??= status;
    return rawLine.slice(status.length);
  });
  return { code, enhanced, text: visible(texts.join(' ')) };
}

/** Controls (C0, DEL, C1), line separators and direction overrides taken out, spaces joined, at most REPLY_TEXT_MAX. */
function visible(text: string): string {
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ').replace(/ +/g, ' ');
  return clean.trim().slice(0, REPLY_TEXT_MAX).toWellFormed();
}
