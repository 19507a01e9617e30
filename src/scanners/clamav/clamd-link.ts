// One connection to clamd, shown to clamscan as a well-behaved stream: errors never come out as events (clamscan would
// print them and settle nothing), writes wait for the socket, the reply is bounded, and destroying it closes the socket.

import { createConnection, type Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** clamd's longest answer is a signature's name and a few words; more is not clamd. */
export const REPLY_MAX_BYTES = 4096;
/** Bytes on the way from the file to the socket; clamscan itself would read the whole file into memory. */
const UNSENT_MAX_BYTES = 256 * 1024;

/** Where clamd listens. */
export type ClamdAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** `/run/clamd.sock` or `unix:/run/clamd.sock`, `host:port`, `[2001:db8::1]:3310`; null where it is none of them. */
export function parseClamdAddress(text: string): ClamdAddress | null {
  const path = text.startsWith('unix:') ? text.slice(5) : text;
  if (path.startsWith('/')) return { path };
  const found = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  return host === undefined || port < 1 || port > 65535 ? null : { host, port };
}

/** clamd went away without a word. */
export class ClamdLost extends Error {
  override readonly name = 'ClamdLost';
}

/** Nobody takes the connection: trying again at once is of no use. */
export class ClamdAway extends Error {
  override readonly name = 'ClamdAway';
}

export class ClamdLink extends Duplex {
  readonly #socket: Socket;
  readonly #onFail: (reason: Error) => void;
  readonly #paceMs: number;
  readonly #place: string;
  #reply = Buffer.alloc(0);
  #isWhole = false;
  #isEarly = false;
  #unsent: (() => void) | null = null;

  /** `onFail` is told why there will be no answer: once or never. `paceMs` is the rest between two writes. */
  constructor(address: ClamdAddress, paceMs: number, onFail: (reason: Error) => void) {
    super({ writableHighWaterMark: UNSENT_MAX_BYTES });
    this.#onFail = onFail;
    this.#place = 'path' in address ? address.path : `${address.host}:${address.port}`;
    this.#paceMs = paceMs;
    this.#socket = createConnection(address);
    this.#socket.on('data', chunk => this.#take(chunk));
    this.#socket.on('drain', () => this.#sent());
    this.#socket.on('end', () => this.#ended(null));
    this.#socket.on('error', error => this.#ended(error));
    this.#socket.on('close', () => this.#sent());
    // Nobody may be surprised by our own end.
    this.on('error', () => undefined);
  }

  /** Resolves when clamd takes the connection; `onFail` is told where it does not. */
  connected(): Promise<void> {
    return new Promise(resolve => this.#socket.once('connect', resolve));
  }

  /** What is written in this turn of the event loop goes out at once: the command, and a small message as a whole. */
  gather(): void {
    this.cork();
    setImmediate(() => this.uncork());
  }

  /** Resolves when the socket has taken enough of what was written, or is gone. */
  async ready(): Promise<void> {
    while (this.writableLength >= UNSENT_MAX_BYTES && !this.destroyed) {
      await new Promise<void>(resolve => {
        const go = (): void => {
          this.off('drain', go).off('close', go);
          resolve();
        };
        this.on('drain', go).on('close', go);
      });
    }
  }

  /** All of the message has been read: what clamd says from now on may be of all of it. */
  whole(): void {
    this.#isWhole = true;
  }

  /** clamd began to speak before that. */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** What clamd has said so far. */
  reply(): string {
    return this.#reply.toString('latin1');
  }

  override _read(): void {
    // Pushed as it comes; it is small.
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    if (this.#socket.destroyed || this.#socket.write(chunk)) this.#next(done);
    else this.#unsent = done;
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done);
  }

  override _destroy(_: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(null);
  }

  #sent(): void {
    const done = this.#unsent;
    this.#unsent = null;
    if (done !== null) this.#next(done);
  }

  /**
   * At least one turn of the event loop between two writes: clamd says "size limit exceeded" and resets the connection,
   * and a write that meets the reset before we have read closes the socket with the words unread.
   */
  #next(done: () => void): void {
    if (this.#paceMs === 0) setImmediate(done);
    else setTimeout(done, this.#paceMs);
  }

  #take(chunk: Buffer): void {
    if (this.#reply.length + chunk.length > REPLY_MAX_BYTES) {
      this.#onFail(new Error(`clamd answered with more than ${REPLY_MAX_BYTES} bytes`));
      this.destroy();
      return;
    }
    if (!this.#isWhole) this.#isEarly = true;
    this.#reply = Buffer.concat([this.#reply, chunk]);
    this.push(chunk);
  }

  /** clamd closes when it has answered. A reset after an answer is one too: it had not read all we sent. */
  #ended(error: Error | null): void {
    if (this.#reply.length === 0) {
      this.#onFail(whyEnded(error, this.#place));
      this.destroy();
    } else {
      this.push(null);
    }
  }
}

/** What the system says at connect, in words for the one who can mend it. */
const AWAY: Readonly<Record<string, string>> = {
  ENOENT: 'clamd is not running: there is no socket at',
  ECONNREFUSED: 'clamd is not running: nobody listens on',
  EACCES: 'not allowed to use the socket of clamd at',
};

function whyEnded(error: Error | null, place: string): Error {
  const words = AWAY[error !== null && 'code' in error ? String(error.code) : ''];
  if (words !== undefined) return new ClamdAway(`${words} ${place}`);
  return new ClamdLost('clamd closed the connection without an answer', { cause: error ?? undefined });
}
