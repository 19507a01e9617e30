// The writing end of the store: remembers that the database cannot be written, finds out by itself when it can again, and
// starts a thread that died anew. store.ts makes it; while `trouble` stands the gateway takes no mail (I4).

import { MailError } from '../mail/error.ts';
import { CommitUnknown, DatabaseTrouble } from './failure.ts';
import { Restart, START_MS } from './restart.ts';
import type { Statement } from './sqlite.ts';
import type { ThreadClient } from './thread-client.ts';

/** Why nothing can be written. `reply`: what a sender hears meanwhile. */
export interface Trouble {
  readonly since: number;
  readonly says: string;
  readonly reply: 'noSpace' | 'notReady';
}

/** How soon it is tried again whether the database can be written, milliseconds. */
const PROBE_MS = 1000;
/** A thread that dies again and again is started no more often. */
const RESTART_MAX_MS = 30_000;
/** Several pages: with a full disk a row that fits into the last page would say that all is well. */
const PROBE_WORDS = 'x'.repeat(16 * 1024);

type Answered = Awaited<ReturnType<ThreadClient['ask']>>;

export class Writer {
  readonly #restart: Restart;
  #client: ThreadClient;
  #trouble: Trouble | null = null;
  #timer: NodeJS.Timeout | undefined;
  #probing: Promise<void> = Promise.resolve();
  #restartMs = PROBE_MS;
  #isClosed = false;

  private constructor(restart: Restart, client: ThreadClient) {
    this.#restart = restart;
    this.#client = client;
  }

  /** The first start has no deadline, for it may migrate much; a later one `startMs` milliseconds. */
  static async open(start: () => Promise<ThreadClient>, startMs = START_MS): Promise<Writer> {
    return new Writer(new Restart(start, startMs), await start());
  }

  get isBusy(): boolean {
    return this.#client.isBusy;
  }

  /** null while it can be written, as far as is known. Asking finds a thread that died. */
  get trouble(): Trouble | null {
    if (this.#trouble === null && this.#client.over !== '') this.#note(this.#client.over, 'notReady');
    return this.#trouble;
  }

  async ask(statements: readonly Statement[]): Promise<Answered> {
    try {
      const answer = await this.#client.ask(statements);
      this.#trouble = null;
      this.#restartMs = PROBE_MS;
      return answer;
    } catch (error) {
      if (error instanceof DatabaseTrouble || error instanceof CommitUnknown) {
        this.#note(error.message, error.reply.code === 452 ? 'noSpace' : 'notReady');
      } else if (this.#client.over !== '') this.#note(this.#client.over, 'notReady');
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#restart.close();
    await this.#client.close();
    await this.#probing;
  }

  #note(says: string, reply: Trouble['reply']): void {
    if (this.#isClosed) return;
    this.#trouble = { since: this.#trouble?.since ?? Date.now(), says, reply };
    this.#probeLater();
  }

  #probeLater(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(
      () => {
        this.#probing = this.#probe().finally(() => {
          this.#timer = undefined;
          if (this.#trouble !== null) this.#probeLater();
        });
      },
      this.#client.over === '' ? PROBE_MS : this.#restartMs,
    );
    this.#timer.unref();
  }

  /** One at a time. What it finds is noted; it never rejects. */
  async #probe(): Promise<void> {
    // A write has succeeded meanwhile.
    if (this.#trouble === null) return;
    try {
      if (this.#client.over !== '') await this.#replace();
      if (!this.#isClosed) await this.ask(PROBE);
    } catch (error) {
      const reply = error instanceof MailError && error.reply.code === 452 ? 'noSpace' : 'notReady';
      this.#note(error instanceof Error ? error.message : String(error), reply);
    }
  }

  async #replace(): Promise<void> {
    this.#restartMs = Math.min(2 * this.#restartMs, RESTART_MAX_MS);
    const client = await this.#restart.client();
    this.#client = client;
    if (this.#isClosed) await client.close();
  }
}

const step = (sql: string, parameters: readonly unknown[]): Statement => ({ sql, parameters, mustChange: null });

/** Written and taken away again in one commit. No message has this id. */
const PROBE: readonly Statement[] = [
  step('INSERT INTO events (message_id, copy_id, at, who, what, words) VALUES (?, NULL, 0, ?, ?, ?)', [
    'probe',
    'postern',
    'probe',
    PROBE_WORDS,
  ]),
  step('DELETE FROM events WHERE message_id = ?', ['probe']),
];
