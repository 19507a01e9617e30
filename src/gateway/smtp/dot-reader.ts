// The content of DATA as it comes over the wire: finds its end, which is CRLF.CRLF and nothing else (I10), and takes
// away stuffed dots (RFC 5321 section 4.5.2). Called by command-stream.ts for every chunk; linear, whatever the content.

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const LINE_DOT = Buffer.from('\n.');
const EMPTY = Buffer.alloc(0);

export interface DotPiece {
  /** Content that is known to be content. */
  readonly content: Buffer;
  /** What came behind the end: commands. null while the end has not come. */
  readonly behind: Buffer | null;
}

/** For one message. Holds back at most four bytes, so that packets may be cut anywhere. */
export class DotReader {
  /** The line end before a dot may have come with an earlier chunk. The first line begins as if one had. */
  #held: Buffer = Buffer.from('\r\n');
  /** Bytes of `#held` that are no content: the made-up line end before the first line. */
  #madeUp = 2;

  read(chunk: Buffer): DotPiece {
    const input = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const pieces: Buffer[] = [];
    let from = this.#madeUp;
    let until = holdFrom(input);
    for (let lf = input.indexOf(LINE_DOT); lf !== -1; ) {
      const dot = lf + 1;
      const isLine = lf > 0 && input[lf - 1] === CR;
      const isUndecided = dot + 1 === input.length || (isLine && input[dot + 1] === CR && dot + 2 === input.length);
      if (isUndecided) {
        until = isLine ? lf - 1 : lf;
        break;
      }
      if (isLine && input[dot + 1] === CR && input[dot + 2] === LF) {
        pieces.push(input.subarray(from, dot));
        return { content: joined(pieces), behind: input.subarray(dot + 3) };
      }
      // Of two dots one was put there. A single one is from a client that does not stuff: taking it would lose it.
      if (input[dot + 1] === DOT) {
        pieces.push(input.subarray(from, dot));
        from = dot + 1;
      }
      lf = input.indexOf(LINE_DOT, dot + 1);
    }
    this.#madeUp = Math.max(0, from - until);
    this.#held = Buffer.from(input.subarray(until));
    if (until > from) pieces.push(input.subarray(from, until));
    return { content: joined(pieces), behind: null };
  }
}

/** From where a line end at the very end of the input has to wait for what follows it. */
function holdFrom(input: Buffer): number {
  const last = input.length - 1;
  if (input[last] === CR) return last;
  if (input[last] !== LF) return input.length;
  return input[last - 1] === CR ? last - 1 : last;
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] ?? EMPTY) : Buffer.concat(pieces);
}
