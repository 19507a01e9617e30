// A pool of threads for work that may take the processor for long or for ever (reading hostile messages). A task whose
// signal fires takes its thread with it: the thread is killed, wherever its code is, and a new one starts.
// Wraps piscina; used by the expand phase and by sender-auth. Knows nothing of what runs on the threads.

import { fileURLToPath } from 'node:url';
import type { Transferable } from 'node:worker_threads';

import { Piscina } from 'piscina';

export interface ThreadsOptions {
  /** In health, errors and metrics. */
  readonly name: string;
  /** The module a thread runs, as `file:` URL. Its exports are the tasks. */
  readonly file: URL;
  /** All of them are started at once and stay. */
  readonly threads: number;
  /**
   * Tasks a thread works on at once (1 unless told). More than one is for tasks that mostly wait: a thread that is
   * killed takes all its tasks along, and the neighbours reject with ThreadLost.
   */
  readonly tasksPerThread?: number;
  /** Tasks that may wait for a thread; beyond it `run` rejects with ThreadsBusy. */
  readonly maxQueue: number;
  /** Heap of one thread; beyond it the thread dies and the task rejects with ThreadLost. */
  readonly heapMb: number;
  /** What every thread finds in `workerData`. */
  readonly data?: unknown;
}

export interface ThreadsStats {
  readonly running: number;
  readonly waiting: number;
  readonly done: number;
  /** Tasks that lost their thread, killed or dead. */
  readonly lost: number;
}

/** The thread died under the task: out of memory, or killed because of another task on it. */
export class ThreadLost extends Error {
  override readonly name = 'ThreadLost';
}

/** All threads are taken and the queue is full. */
export class ThreadsBusy extends Error {
  override readonly name = 'ThreadsBusy';
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /** What is moved to the thread and not copied; must be part of `input`. */
  readonly transfer?: readonly Transferable[];
}

export interface Threads {
  /**
   * Calls the export `task` with a copy of `input`. Rejects with what the task threw, with the reason of the signal (the
   * thread is killed then), with ThreadLost or with ThreadsBusy.
   */
  run(task: string, input: unknown, options: RunOptions): Promise<unknown>;
  stats(): ThreadsStats;
  health(): ThreadsHealth;
  /** Kills the threads; what still runs rejects with ThreadLost. */
  close(): Promise<void>;
}

/** As `Health` of src/mail, which this folder does not know. */
export interface ThreadsHealth {
  readonly part: string;
  readonly level: 'ok' | 'degraded' | 'down';
  readonly says: string;
  readonly next: string;
}

/** Memory of a thread for what soon dies; V8 would take twice as much, and one thread an isolate takes it all. */
const YOUNG_MB = 24;
/** What piscina says when a thread ends under a task; its errors have no other mark. */
const LOST = /^(?:Terminating worker thread|worker exited with code: \d+|pool is closed)$/;

export function createThreads(options: ThreadsOptions): Threads {
  return new Pool(options);
}

class Pool implements Threads {
  readonly #options: ThreadsOptions;
  readonly #pool: Piscina;
  #given = 0;
  #done = 0;
  #lost = 0;
  #lastFailure = '';
  #isClosed = false;

  constructor(options: ThreadsOptions) {
    this.#options = options;
    this.#pool = new Piscina({
      // As a path: it would make one of a URL for every task.
      filename: fileURLToPath(options.file),
      minThreads: options.threads,
      maxThreads: options.threads,
      concurrentTasksPerWorker: options.tasksPerThread ?? 1,
      // Ours is checked in run().
      maxQueue: Number.POSITIVE_INFINITY,
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb, maxYoungGenerationSizeMb: YOUNG_MB },
      workerData: options.data,
      // Blocking waits would stop the event loop of a thread between tasks, and with it the closing of ports and files.
      atomics: 'disabled',
      recordTiming: false,
      loadBalancer: (_, workers) => leastBusy(workers, options.tasksPerThread ?? 1),
    });
    // A thread that died between tasks; without a listener the error would end the process.
    this.#pool.on('error', error => this.#note(error));
  }

  async run(task: string, input: unknown, { signal, transfer }: RunOptions): Promise<unknown> {
    if (this.#isClosed) throw new ThreadLost(`${this.#options.name}: closed`);
    signal.throwIfAborted();
    const { name, threads, tasksPerThread = 1, maxQueue } = this.#options;
    // piscina's own limit does not count tasks that have a signal.
    if (this.#given >= threads * tasksPerThread + maxQueue) throw new ThreadsBusy(`${name}: all threads are taken`);
    this.#given += 1;
    try {
      const transferList = transfer === undefined ? [] : [...transfer];
      const result: unknown = await this.#pool.run(input, { name: task, signal, transferList });
      this.#done += 1;
      return result;
    } catch (error) {
      throw this.#translated(error, signal);
    } finally {
      this.#given -= 1;
    }
  }

  stats(): ThreadsStats {
    const waiting = this.#waiting();
    return { running: Math.max(0, this.#given - waiting), waiting, done: this.#done, lost: this.#lost };
  }

  health(): ThreadsHealth {
    const { name, maxQueue } = this.#options;
    if (this.#isClosed) return { part: name, level: 'down', says: 'closed', next: '' };
    if (this.#pool.threads.length === 0) {
      return { part: name, level: 'down', says: `no thread runs: ${this.#lastFailure}`, next: 'restart Postern' };
    }
    const waiting = this.#waiting();
    if (maxQueue > 0 && waiting >= maxQueue) {
      const says = `all threads are taken and ${waiting} messages wait`;
      return { part: name, level: 'degraded', says, next: 'more threads, or fewer messages at once' };
    }
    const lost = this.#lost === 0 ? '' : `, ${this.#lost} lost since start`;
    return { part: name, level: 'ok', says: `${this.#pool.threads.length} threads${lost}`, next: '' };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.destroy();
  }

  #translated(error: unknown, signal: AbortSignal): unknown {
    const said = error instanceof Error ? error.message : String(error);
    if (signal.aborted) {
      this.#lost += 1;
      return signal.reason;
    }
    if (LOST.test(said) || codeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY') {
      this.#note(error);
      return new ThreadLost(`${this.#options.name}: the thread ended under its task`, { cause: error });
    }
    return error;
  }

  #waiting(): number {
    return Math.max(0, this.#given - this.#options.threads * (this.#options.tasksPerThread ?? 1));
  }

  #note(error: unknown): void {
    this.#lost += 1;
    this.#lastFailure = error instanceof Error ? error.message : String(error);
  }
}

/**
 * piscina's own choice never lets a task with a signal share its thread: it calls the usage of a thread with one such
 * task infinite.
 */
function leastBusy<W extends { readonly currentUsage: number }>(
  workers: readonly W[],
  tasksPerThread: number,
): W | null {
  let best: W | null = null;
  let bestUsage = tasksPerThread;
  for (const worker of workers) {
    const usage = Number.isFinite(worker.currentUsage) ? worker.currentUsage : 1;
    if (usage < bestUsage) [best, bestUsage] = [worker, usage];
  }
  return best;
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
