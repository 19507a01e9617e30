// The reading end of the store: asks its thread, and starts another one when that has died. store.ts makes it. Nothing is
// asked twice by itself: who was waiting when the thread died hears of it.

import { Restart, START_MS } from './restart.ts';
import type { Statement } from './sqlite.ts';
import type { ThreadClient } from './thread-client.ts';

/** A thread that dies again and again is started no more often, milliseconds. */
const RESTART_EVERY_MS = 1000;

export class ReadEnd {
  readonly #restart: Restart;
  #client: ThreadClient;
  #restarting: Promise<void> | null = null;
  /** Of `performance.now()`. */
  #startedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  private constructor(restart: Restart, client: ThreadClient) {
    this.#restart = restart;
    this.#client = client;
  }

  /** The first start has no deadline; a later one `startMs` milliseconds. */
  static async open(start: () => Promise<ThreadClient>, startMs = START_MS): Promise<ReadEnd> {
    return new ReadEnd(new Restart(start, startMs), await start());
  }

  /** Throws MailError, also where a thread cannot be started now. */
  async ask(statements: readonly Statement[]): ReturnType<ThreadClient['ask']> {
    if (this.#client.over !== '' && !this.#isClosed) {
      // Whoever comes meanwhile waits for the same thread.
      this.#restarting ??= this.#replace().finally(() => {
        this.#restarting = null;
      });
      await this.#restarting;
    }
    return this.#client.ask(statements);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#restart.close();
    await this.#restarting?.catch(() => undefined);
    await this.#client.close();
  }

  async #replace(): Promise<void> {
    if (performance.now() - this.#startedAt < RESTART_EVERY_MS) return;
    this.#startedAt = performance.now();
    this.#client = await this.#restart.client();
  }
}
