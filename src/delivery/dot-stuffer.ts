// Makes message bytes fit for DATA: a dot at the start of a line is doubled (RFC 5321 section 4.5.2), and nothing
// leaves that another server could take for the end of the message: a bare CR or LF, or a NUL that it might drop, is an
// error (I10), not repaired.

import { MailError } from '../mail/error.ts';
import { orAborted } from '../platform/deadline.ts';

const CR = 13;
const LF = 10;
const DOT = 46;
/** Smaller pieces are joined before they are written, so that the stamp and a small body make one packet train. */
const PIECE_MIN = 32 * 1024;

export class DotStuffer {
  #before = LF;
  #isLineStart = true;

  /** The same memory where nothing had to change. Throws MailError on a bare CR or LF and on NUL. */
  push(chunk: Uint8Array): Uint8Array {
    if (chunk.includes(0)) throw unfit('a NUL');
    let before = this.#before;
    let isLineStart = this.#isLineStart;
    let from = 0;
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if ((byte === LF) !== (before === CR)) throw unfit('a bare CR or LF');
      if (isLineStart && byte === DOT) {
        pieces.push(chunk.subarray(from, i), Buffer.from('.'));
        from = i;
      }
      isLineStart = byte === LF;
      before = byte;
    }
    this.#before = before;
    this.#isLineStart = isLineStart;
    return pieces.length === 0 ? chunk : Buffer.concat([...pieces, chunk.subarray(from)]);
  }

  /** What ends the message: with a line end first where its last line has none. */
  end(): string {
    if (this.#before === CR) throw unfit('a bare CR or LF');
    return this.#isLineStart ? '.\r\n' : '\r\n.\r\n';
  }
}

/** The body, stuffed, in pieces worth a write; without the ending dot. Rejects with the signal's reason. */
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
