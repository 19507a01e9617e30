// Starts the thread of one end of the store anew, where the old one died: within a deadline, and one at a time. read-end.ts
// and writer.ts ask it. A disk that hangs must neither hold who asks for ever nor gather threads that hang.

import { MailError } from '../mail/error.ts';
import { DeadlinePassed, withDeadline } from '../platform/deadline.ts';
import type { ThreadClient } from './thread-client.ts';

/** Opening takes milliseconds, after a crash a second or two. Whoever asks waits for it before the question is put. */
export const START_MS = 10_000;

export class Restart {
  readonly #start: () => Promise<ThreadClient>;
  readonly #startMs: number;
  readonly #closing = new AbortController();
  /** Begun and not fetched: what comes late is for the next who asks. */
  #begun: Promise<ThreadClient> | null = null;

  constructor(start: () => Promise<ThreadClient>, startMs: number) {
    this.#start = start;
    this.#startMs = startMs;
  }

  /** Throws MailError where there is none in time, else what the start throws. For one at a time. */
  async client(): Promise<ThreadClient> {
    this.#begun ??= this.#begin();
    const begun = this.#begun;
    try {
      const client = await withDeadline(this.#startMs, 'the database thread', () => begun, this.#closing.signal);
      this.#begun = null;
      return client;
    } catch (error) {
      if (error instanceof DeadlinePassed) throw new MailError('unknownError', error.message);
      throw error;
    }
  }

  /** Waits for nothing. A thread that comes later is closed. */
  close(): void {
    this.#closing.abort(new MailError('unknownError', 'the database is closed'));
    this.#begun?.then(client => client.close()).catch(() => undefined);
  }

  #begin(): Promise<ThreadClient> {
    const begun = this.#start();
    begun.catch(() => {
      this.#begun = null;
    });
    return begun;
  }
}
