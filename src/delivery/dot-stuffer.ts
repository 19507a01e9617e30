// Makes message bytes fit for DATA: a dot at the start of a line is doubled (RFC 5321 section 4.5.2), and nothing
// leaves that another server could take for the end of the message: a bare CR or LF, or a NUL that it might drop, is an
// error (I10), not repaired.

import { MailError } from '../mail/error.ts';
import { orAborted } from '../platform/deadline.ts';

const CR = 13;
const LF = 10;
const DOT = 46;
/** Smaller pieces are joined before they are written, so that the stamp and a small body make one packet train. */
export const PIECE_MIN = 32 * 1024;

export class DotStuffer {
  #before = LF;

  /** The same memory where nothing had to change. Throws MailError on a bare CR or LF and on NUL. */
  push(chunk: Uint8Array): Uint8Array {
    if (chunk.includes(0)) throw unfit('a NUL');
    let before = this.#before;
    let dots = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if ((byte === LF) !== (before === CR)) throw unfit('a bare CR or LF');
      if (before === LF && byte === DOT) dots++;
      before = byte;
    }
    const stuffedChunk = dots === 0 ? chunk : doubled(chunk, dots, this.#before);
    this.#before = before;
    return stuffedChunk;
  }

  /** What ends the message: with a line end first where its last line has none. */
  end(): string {
    if (this.#before === CR) throw unfit('a bare CR or LF');
    return this.#before === LF ? '.\r\n' : '\r\n.\r\n';
  }
}

/** A copy with `dots` dots doubled: a byte at a time, for a message may be of nothing but lines of a dot. */
function doubled(chunk: Uint8Array, dots: number, last: number): Uint8Array {
  const grown = Buffer.allocUnsafe(chunk.length + dots);
  let before = last;
  let to = 0;
  for (const byte of chunk) {
    if (before === LF && byte === DOT) grown[to++] = DOT;
    grown[to++] = byte;
    before = byte;
  }
  return grown;
}

/**
 * The body, stuffed, in pieces of PIECE_MIN bytes and more, only the last one smaller; without the ending dot. Rejects with
 * the signal's reason.
 */
export async function* stuffed(
  body: AsyncIterable<Uint8Array>,
  stuffer: DotStuffer,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const source = body[Symbol.asyncIterator]();
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let isDone = false;
  try {
    while (!isDone) {
      const next = await orAborted(signal, source.next());
      isDone = next.done === true;
      if (next.done !== true) {
        // Held pieces are copied: the source may use its memory again.
        const piece = stuffer.push(next.value);
        held.push(piece.length < PIECE_MIN ? Uint8Array.from(piece) : piece);
        heldBytes += piece.length;
      }
      if (heldBytes >= PIECE_MIN || (isDone && heldBytes > 0)) {
        const [only] = held;
        yield held.length === 1 && only !== undefined ? only : Buffer.concat(held);
        held = [];
        heldBytes = 0;
      }
    }
  } finally {
    // Not awaited: a source that hangs in next() would hang here too.
    if (!isDone) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}

function unfit(what: string): MailError {
  return new MailError('unknownError', `the body has ${what}: refused to pass it on`);
}
