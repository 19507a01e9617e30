// The main thread's end of a database thread: sends requests, bounds how many wait, and gives up on what takes too long.

import { Worker } from 'node:worker_threads';

import { MailError } from '../mail/error.ts';
import { CommitUnknown, failureError } from './failure.ts';
import type { Statement } from './sqlite.ts';
import type { Answer, Opened, ThreadOptions } from './thread.ts';

export interface ClientLimits {
  /** Requests that may wait. Beyond it senders hear 451 and come back. */
  readonly queueMax: number;
  /** How long one request may take, milliseconds. */
  readonly deadlineMs: number;
}

/** Memory for what soon dies: statements and rows are small. */
const YOUNG_MB = 8;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ThreadClient {
  readonly #worker: Worker;
  readonly #options: ThreadOptions;
  readonly #limits: ClientLimits;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #next = 1;
  /** Why nothing can be asked any more; '' while it can. */
  #over = '';

  private constructor(options: ThreadOptions, limits: ClientLimits, opened: (failure: Error | null) => void) {
    this.#worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: options,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#options = options;
    this.#limits = limits;
    this.#worker.on('message', (message: Opened | readonly Answer[]) => {
      if ('opened' in message) opened(message.opened === null ? null : failureError(message.opened));
      else this.#settle(message);
    });
    this.#worker.on('error', error => this.#end(`the database thread failed: ${error.message}`));
    this.#ended = new Promise(resolve => {
      this.#worker.on('exit', () => {
        this.#end('the database thread has ended');
        opened(new MailError('unknownError', this.#over));
        resolve();
      });
    });
  }

  /** Resolves when the database is open; rejects with a MailError that says what is wrong with it. */
  static start(options: ThreadOptions, limits: ClientLimits): Promise<ThreadClient> {
    return new Promise((resolve, reject) => {
      const client = new ThreadClient(options, limits, failure =>
        failure === null ? resolve(client) : reject(failure),
      );
    });
  }

  get isBusy(): boolean {
    return this.#waiting.size >= this.#limits.queueMax;
  }

  /** '' while the thread works. */
  get over(): string {
    return this.#over;
  }

  async ask(statements: readonly Statement[]): Promise<Exclude<Answer, { failure: unknown }>> {
    if (this.#over !== '') throw new MailError('unknownError', this.#over);
    if (this.isBusy) {
      throw new MailError('busy', `${this.#limits.queueMax} requests wait for the database: is its disk slow?`);
    }
    const id = this.#next++;
    const answer = await new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(id), this.#limits.deadlineMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#worker.postMessage({ id, statements });
    });
    if ('failure' in answer) throw failureError(answer.failure);
    return answer;
  }

  /** What was asked before is still answered. */
  async close(): Promise<void> {
    if (this.#over === '') {
      this.#over = 'the database is closed';
      this.#worker.postMessage('close');
    }
    await this.#ended;
  }

  #settle(answers: readonly Answer[]): void {
    for (const answer of answers) this.#take(answer.id)?.resolve(answer);
  }

  #giveUp(id: number): void {
    this.#take(id)?.reject(this.#lost(`no answer within ${this.#limits.deadlineMs} ms`));
  }

  #end(why: string): void {
    if (this.#over === '') this.#over = why;
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(this.#lost(why));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  /** A read that got no answer changed nothing; of a write nobody knows. */
  #lost(why: string): MailError {
    const says = `${this.#options.path}: ${why}`;
    return this.#options.role === 'writer' ? new CommitUnknown(says) : new MailError('unknownError', says);
  }
}
