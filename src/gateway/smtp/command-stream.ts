// The stream parser of one connection, in place of the library's: command lines that end in CRLF only, for the library
// takes a bare LF too and so would run what another server takes as one line (I10); content through the dot reader.
// It reads a little ahead of the command that is being answered, or nobody would see the client go away meanwhile.

import { SMTPStream } from 'smtp-server/lib/smtp-stream';
import { DotReader } from './dot-reader.ts';

/** RFC 5321 4.5.3.1.4 asks for 512 octets; extensions and long internationalised addresses add to it. */
export const COMMAND_LINE_MAX = 2048;
/** After so many pipelined commands the event loop gets a turn. */
const COMMANDS_A_TURN = 50;
/** What may wait behind the command that is being answered; beyond it the client is not read from. */
const READ_AHEAD_BYTES = 16 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const EMPTY = Buffer.alloc(0);

/** What the line is, and what to do when its command is answered. */
export type LineHandler = (line: Buffer, next: () => void) => void;

export interface CommandHandlers {
  command: LineHandler;
  /** A line that ended in a bare LF, or held a bare CR or a NUL: never run, always answered. */
  badLine: LineHandler;
  /** Longer than COMMAND_LINE_MAX; the connection cannot be trusted to be in step any more. Closes it. */
  tooLong: () => void;
}

export class CommandStream extends SMTPStream {
  readonly #handlers: CommandHandlers;
  /** Read and not yet used. */
  #input: Buffer = EMPTY;
  /** Asks for the next chunk, while the last one has not been let go. */
  #next: (() => void) | null = null;
  #dots = new DotReader();
  /** A command is being answered, or content waits for its reader. */
  #isWaiting = false;
  #isPumping = false;
  #inTurn = 0;

  constructor(handlers: CommandHandlers) {
    super({ maxCommandLength: COMMAND_LINE_MAX });
    this.#handlers = handlers;
  }

  /** Has the client sent more than has been used? */
  get hasInput(): boolean {
    return this.#input.length > 0;
  }

  /** A whole line of it is there. */
  get hasLine(): boolean {
    return this.#input.includes(LF);
  }

  override _write(chunk: Buffer, _encoding: unknown, next: (error?: Error | null) => void): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    this.#next = next;
    this.#pump();
  }

  override startDataMode(): ReturnType<SMTPStream['startDataMode']> {
    this.#dots = new DotReader();
    return super.startDataMode();
  }

  /** The message is answered: on with what came behind it. */
  override continue(): void {
    this.#resume();
  }

  /** What is left when the client closes is no command: only CRLF ends one. */
  override _flushData(): void {
    this.#input = EMPTY;
  }

  #resume(): void {
    this.#isWaiting = false;
    this.#pump();
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.isClosed && !this.#isWaiting && this.#input.length > 0) {
      if (this._dataMode) this.#takeContent();
      else if (!this.#takeLine()) break;
    }
    this.#isPumping = false;
    if (this.isClosed) this.#input = EMPTY;
    // A copy: the beginning of a line must not hold on to the whole chunk that it came with.
    else if (this.#input.length <= COMMAND_LINE_MAX) this.#input = Buffer.from(this.#input);
    if (this.#input.length > READ_AHEAD_BYTES) return;
    const next = this.#next;
    this.#next = null;
    next?.();
  }

  /** Runs one command; false where no line is whole. */
  #takeLine(): boolean {
    const input = this.#input;
    const end = input.indexOf(LF);
    if ((end === -1 ? input.length : end) > COMMAND_LINE_MAX) {
      this.#handlers.tooLong();
      return false;
    }
    if (end === -1) return false;
    const line = input.subarray(0, end);
    this.#input = input.subarray(end + 1);
    this.#isWaiting = true;
    const next = () => (++this.#inTurn % COMMANDS_A_TURN === 0 ? setImmediate(() => this.#resume()) : this.#resume());
    if (isWhole(line)) this.#handlers.command(line.subarray(0, -1), next);
    else this.#handlers.badLine(line, next);
    return true;
  }

  #takeContent(): void {
    const { content, behind } = this.#dots.read(this.#input);
    this.#input = behind ?? EMPTY;
    const stream = this._dataStream;
    if (behind !== null) {
      this._dataMode = false;
      this._dataStream = null;
      this.#isWaiting = true;
    }
    // One that was destroyed takes no more; the client is still in its message.
    if (stream === null || !stream.writable) return;
    const isFull = content.length > 0 && !stream.write(content);
    if (behind !== null) stream.end();
    else if (isFull) {
      this.#isWaiting = true;
      const goOn = () => {
        stream.off('drain', goOn).off('close', goOn);
        this.#resume();
      };
      stream.on('drain', goOn).on('close', goOn);
    }
  }
}

/** Ends in CR, and holds no other CR and no NUL. */
function isWhole(line: Buffer): boolean {
  return line.length > 0 && line.indexOf(CR) === line.length - 1 && !line.includes(0);
}
