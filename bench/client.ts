// One SMTP connection of the bench's generator: writes what it is told, hears replies. No library, so that it costs little.

import { connect, type Socket } from 'node:net';

export class Client {
  readonly #socket: Socket;
  #text = '';
  #replies: string[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;

  constructor(port: number, localAddress: string) {
    this.#socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#take(text));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#wake?.();
    });
  }

  /** The next reply, its last line only; '' when the connection has ended. */
  async reply(): Promise<string> {
    while (this.#replies.length === 0 && !this.#isClosed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#replies.shift() ?? '';
  }

  write(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** Writes no more than the kernel takes: large mail is not all in our memory at once. */
  async writeAll(pieces: readonly Buffer[]): Promise<void> {
    this.#socket.cork();
    for (const piece of pieces) {
      if (this.#socket.write(piece) || this.#isClosed) continue;
      this.#socket.uncork();
      await this.#drained();
      this.#socket.cork();
    }
    this.#socket.uncork();
  }

  end(): void {
    this.#socket.end();
  }

  #drained(): Promise<void> {
    return new Promise(resolve => {
      const go = () => {
        this.#socket.off('drain', go).off('close', go);
        resolve();
      };
      this.#socket.on('drain', go).on('close', go);
    });
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\r\n'); end !== -1; end = this.#text.indexOf('\r\n')) {
      if (this.#text[3] !== '-') this.#replies.push(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
    }
    this.#wake?.();
  }
}
