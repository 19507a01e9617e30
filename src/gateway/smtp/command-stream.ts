// The stream parser of one connection: commands by line, DATA by the library. Ours is only the reading of command
// lines, because the library takes a bare LF as a line end and so would run what another server takes as one line (I10).

import { SMTPStream } from 'smtp-server/lib/smtp-stream';

/** RFC 5321 4.5.3.1.4 asks for 512 octets; extensions and long internationalised addresses add to it. */
export const COMMAND_LINE_MAX = 2048;
/** After so many pipelined commands in one chunk the event loop gets a turn. */
const COMMANDS_A_TURN = 50;

const CR = 0x0d;
const LF = 0x0a;

/** What the line is, and what to do when its command is answered. */
export type LineHandler = (line: Buffer, next: () => void) => void;

export interface CommandHandlers {
  command: LineHandler;
  /** A line that ended in a bare LF, or held a bare CR or a NUL: never run, always answered. */
  badLine: LineHandler;
  /** Longer than COMMAND_LINE_MAX; the connection cannot be trusted to be in step any more. */
  tooLong: () => void;
}

export class CommandStream extends SMTPStream {
  readonly #handlers: CommandHandlers;
  #partial: Buffer = Buffer.alloc(0);

  constructor(handlers: CommandHandlers) {
    super({ maxCommandLength: COMMAND_LINE_MAX });
    this.#handlers = handlers;
  }

  /** True while a line has begun and its end has not come. */
  get isInsideLine(): boolean {
    return this.#partial.length > 0;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding | 'buffer', next: (error?: Error | null) => void): void {
    if (this.isClosed || chunk.length === 0) return next();
    if (this._dataMode) return super._write(chunk, encoding, next);
    const input = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = Buffer.alloc(0);
    this.#readLines(input, next);
  }

  /** Runs the lines of `input` one after the other; a command may answer later, or switch to DATA. */
  #readLines(input: Buffer, done: () => void): void {
    let at = 0;
    let inTurn = 0;
    const step = (): void => {
      if (this.isClosed) return done();
      if (this._dataMode) return super._write(input.subarray(at), 'buffer', done);
      const end = input.indexOf(LF, at);
      const length = (end === -1 ? input.length : end) - at;
      if (length > COMMAND_LINE_MAX) {
        this.#handlers.tooLong();
        return done();
      }
      if (end === -1) {
        this.#partial = Buffer.from(input.subarray(at));
        return done();
      }
      const line = input.subarray(at, end);
      at = end + 1;
      // Always by a new turn of the stack, so that a thousand pipelined commands do not nest a thousand calls.
      const again = () => (++inTurn % COMMANDS_A_TURN === 0 ? setImmediate(step) : queueMicrotask(step));
      if (isWhole(line)) this.#handlers.command(line.subarray(0, -1), again);
      else this.#handlers.badLine(line, again);
    };
    step();
  }

  /** What is left when the client closes is no command: only CRLF ends one. */
  override _flushData(): void {
    this.#partial = Buffer.alloc(0);
  }
}

/** Ends in CR, and holds no other CR and no NUL. */
function isWhole(line: Buffer): boolean {
  return line.length > 0 && line.indexOf(CR) === line.length - 1 && !line.includes(0);
}
