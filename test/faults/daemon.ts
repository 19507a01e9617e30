// A daemon of the fault run that is forked, told what to do over IPC, killed, stopped, and started again on the same port:
// what a service manager would do for a real one.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import { waitFor } from '../support/wait-for.ts';

const PATIENCE_MS = 20_000;

export class Daemon<Order extends object> {
  readonly #file: URL;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  port = 0;

  constructor(file: string, ...args: readonly string[]) {
    this.#file = new URL(file, import.meta.url);
    this.#args = args;
  }

  /** Also after `kill`: on the port of before. */
  async start(): Promise<void> {
    const child = fork(this.#file, [String(this.port), ...this.#args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Ctrl-C is for the run alone.
      detached: true,
    });
    // An order that crosses with its end is no failure of the run.
    child.on('error', () => undefined);
    this.#child = child;
    let port = 0;
    child.once('message', (message: { port: number }) => {
      port = message.port;
    });
    await waitFor(`${this.#file.pathname} to listen`, () => port !== 0, PATIENCE_MS);
    this.port = port;
  }

  /** Resolves when it has heard, or has been killed meanwhile; does nothing while it is killed. */
  async tell(order: Order): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const heard = ['message', 'exit'].map(event => once(child, event, { signal }));
    child.send(order);
    try {
      await Promise.race(heard);
    } finally {
      for (const one of heard) one.catch(() => undefined);
      over.abort();
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
