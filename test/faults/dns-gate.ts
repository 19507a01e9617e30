// The way from Postern to its name server in the fault run: a real unbound behind a UDP relay that can be told to be
// silent or to answer with garbage, in front of a server that can be killed and stopped.

import { createSocket, type Socket } from 'node:dgram';

import { startUnbound, type Unbound } from '../support/unbound.ts';

export type GateMode = 'open' | 'silent' | 'garbage';

/** A question that unbound has not answered by then is forgotten. */
const FORGOTTEN_MS = 3000;

export class DnsGate {
  mode: GateMode = 'open';
  readonly #socket: Socket = createSocket('udp4');
  readonly #records: readonly string[];
  readonly #open = new Set<Socket>();
  #unbound: Unbound | null = null;

  constructor(records: readonly string[]) {
    this.#records = records;
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (question, peer) => {
      if (this.mode === 'silent') return;
      if (this.mode === 'garbage')
        return void this.#socket.send('HTTP/1.1 400 Bad Request\r\n', peer.port, peer.address);
      this.#ask(question, answer => this.#socket.send(answer, peer.port, peer.address));
    });
  }

  /** As a resolver's server. */
  get server(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async start(): Promise<void> {
    await new Promise<void>(resolve => this.#socket.bind(0, '127.0.0.1', resolve));
    await this.startServer();
  }

  async startServer(): Promise<void> {
    this.#unbound ??= await startUnbound(this.#records);
  }

  async killServer(): Promise<void> {
    const unbound = this.#unbound;
    this.#unbound = null;
    await unbound?.stop();
  }

  signalServer(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#unbound !== null) process.kill(this.#unbound.pid, signal);
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.close();
    this.#open.clear();
    this.#socket.close();
    await this.killServer();
  }

  #ask(question: Buffer, answered: (answer: Buffer) => void): void {
    const port = Number(this.#unbound?.server.split(':')[1] ?? 0);
    if (port === 0) return;
    const socket = createSocket('udp4');
    this.#open.add(socket);
    const end = () => {
      clearTimeout(timer);
      if (this.#open.delete(socket)) socket.close();
    };
    const timer = setTimeout(end, FORGOTTEN_MS);
    socket.on('error', end);
    socket.on('message', answer => {
      answered(answer);
      end();
    });
    socket.send(question, port, '127.0.0.1');
  }
}
