// Clients that do harm by their number or their slowness, from many addresses of 127/8; and one well-behaved client that
// must be served meanwhile. The gateway is another process: what it suffers is its own.

import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

import { message, sendMail } from './send.ts';

/** Connections that are opened at once: more would fill the queue of the kernel and measure that. */
const AT_ONCE = 200;

/** The nth of 16 million addresses that are all this machine; 127.0.0.x is left to well-behaved clients. */
export function addressOf(n: number): string {
  return `127.${1 + ((n >> 16) & 0x7f)}.${(n >> 8) & 0xff}.${n & 0xff}`;
}

/** What a hostile connection does, line by line of the server. It gets the socket when it is connected. */
export type Attack = (socket: Socket) => void;

export class Flood {
  readonly #port: number;
  readonly sockets = new Set<Socket>();
  /** The first line that each connection heard, and what it heard last. */
  readonly heard = new Map<Socket, string>();
  /** Connections that could not be made, or ended. */
  ended = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(t: TestContext, port: number) {
    this.#port = port;
    t.after(() => this.end());
  }

  /** Opens `count` connections, `perAddress` from each address on from the `first`. Resolves when all are made. */
  async open(count: number, attack: Attack, { perAddress = 1, first = 0 } = {}): Promise<void> {
    let next = 0;
    const lane = async () => {
      for (let n = next++; n < count; n = next++)
        await this.#connect(addressOf(first + Math.floor(n / perAddress)), attack);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }

  /** Calls `work` every `ms` until the socket closes. */
  every(socket: Socket, ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    this.#timers.add(timer);
    socket.once('close', () => {
      clearInterval(timer);
      this.#timers.delete(timer);
    });
  }

  /** Says the lines, each after the reply to the one before, then calls `then`. */
  speak(socket: Socket, lines: readonly string[], then: () => void): void {
    const left = [...lines];
    let received = '';
    socket.on('data', chunk => {
      received += chunk.toString('latin1');
      if (!/^\d{3} .*\n$/m.test(received)) return;
      received = '';
      const line = left.shift();
      if (line !== undefined) socket.write(`${line}\r\n`);
      else {
        socket.removeAllListeners('data').resume();
        then();
      }
    });
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.sockets) socket.destroy();
  }

  #connect(localAddress: string, attack: Attack): Promise<void> {
    return new Promise(resolve => {
      const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
      this.sockets.add(socket);
      socket.on('data', chunk => this.heard.set(socket, chunk.toString('latin1', 0, 100)));
      socket.once('end', () => socket.end());
      socket.on('error', () => resolve());
      socket.on('close', () => {
        this.sockets.delete(socket);
        this.ended++;
        resolve();
      });
      socket.once('connect', () => {
        attack(socket);
        resolve();
      });
    });
  }
}

/** Sends a message, and the next one when that is answered, until it is stopped. Comes again after 421, as mail servers do. */
export class GoodClient {
  /** Replies to its messages that were not 250. */
  readonly refused: string[] = [];
  served = 0;
  /** Times that it was not let in, and came again. */
  turnedAway = 0;
  #isStopped = false;
  readonly #work: Promise<void>;

  constructor(t: TestContext, port: number) {
    this.#work = this.#run(port);
    t.after(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
  }

  async #run(port: number): Promise<void> {
    for (let number = 1; !this.#isStopped; number++) {
      const content = message(`Good mail ${number}`, 'hello');
      const reply = await sendMail(port, { content, address: '127.0.0.1' }).catch(error => `lost: ${error}`);
      if (reply.startsWith('250')) this.served++;
      else if (/^421 4\.7\.0|^$|^lost: Error: \w+ (?:ECONNRESET|EPIPE)/.test(reply)) this.turnedAway++;
      else this.refused.push(reply);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }
}

/** A name server that knows no name, and says so at once: `127.0.0.1:PORT`. */
export async function startNoNames(t: TestContext): Promise<string> {
  const server = createSocket('udp4');
  server.on('message', (query, from) => {
    const answer = Buffer.from(query);
    // QR and RA; NXDOMAIN (RFC 1035 4.1.1).
    answer[2] = (answer[2] ?? 0) | 0x80;
    answer[3] = 0x83;
    server.send(answer, from.port, from.address);
  });
  await new Promise<void>(resolve => server.bind(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${server.address().port}`;
}
