// A queue of small jobs on BullMQ, and a worker for it. Jobs carry ids, never content. What BullMQ leaves open is closed
// here: `add` never hangs, nothing is kept for ever, a worker can be replaced. Used by src/pipeline.

import { type Job, Queue, Worker } from 'bullmq';

import { pause, withDeadline } from './deadline.ts';
import { errorText, type Log } from './log.ts';
import { outageLog, redisAddress, retryDelay } from './redis.ts';

export interface QueueOptions {
  readonly url: string;
  /** Begins every key: letters, digits, hyphens, or such in braces for a cluster. */
  readonly prefix: string;
  /** One queue a host: letters, digits, dots and hyphens. */
  readonly name: string;
  readonly log: Log;
}

export interface JobQueue {
  /** Is there a connection, so that `add` can be tried? */
  isReady(): boolean;
  /** Resolves when the job is in Redis. Rejects after `withinMs` at the latest; the job may be there all the same. */
  add(id: string, data: object, withinMs: number): Promise<void>;
  /** Does Redis know the job, in whatever state? */
  has(id: string): Promise<boolean>;
  /** Milliseconds the oldest job has been waiting for a worker; null where none waits. */
  oldestWaitingMs(): Promise<number | null>;
  /** For a Redis that came back empty: its settings of this queue are written again. */
  prepare(): Promise<void>;
  close(): Promise<void>;
}

export interface WorkerOptions extends QueueOptions {
  readonly concurrency: number;
  /** A worker that died keeps its jobs for so long before another one may have them. */
  readonly lockMs: number;
  /** The signal fires when the job is no longer ours: Redis gave it to another worker. Must not reject. */
  readonly work: (id: string, data: unknown, signal: AbortSignal) => Promise<void>;
}

export interface JobWorker {
  /** Jobs in work. */
  running(): number;
  /** Epoch milliseconds when it last took a job, 0 before the first. */
  lastFetch(): number;
  /** Waits for the jobs in work, at most `withinMs`. */
  close(withinMs: number): Promise<void>;
}

export type MakeWorker = (options: WorkerOptions) => JobWorker;

/** Nobody reads the stream of events; it is kept short. */
const EVENTS_MAX = 100;
const COMMAND_TIMEOUT_MS = 2000;
/** Failed jobs are kept for looking at them: a job fails only where a worker died under it twice. */
const KEEP_FAILED = { age: 3600, count: 100 };
/** Jobs are gone as soon as they are done: nobody asks BullMQ for a result, so its race with readers cannot hurt. */
const REMOVE = { removeOnComplete: true, removeOnFail: KEEP_FAILED, attempts: 1 };
const CLOSE_WITHIN_MS = 1000;

export function createQueue(options: QueueOptions): JobQueue {
  const retry = retryUntilClosed();
  const queue = new Queue(options.name, {
    prefix: options.prefix,
    connection: {
      ...redisAddress(options.url),
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: retry.strategy,
    },
    defaultJobOptions: { ...REMOVE, stackTraceLimit: 1 },
    streams: { events: { maxLen: EVENTS_MAX } },
  });
  let isConnected = false;
  const outage = outageLog(options.log, `queue ${options.name}`);
  queue.on('error', error => {
    if (isConnectionError(error)) outage.failed(error);
    else options.log.warn({ queue: options.name, err: errorText(error) }, 'queue');
  });
  queue.on('ioredis:close', () => outage.failed(new Error('connection closed')));
  queue.waitUntilReady().then(
    () => {
      isConnected = true;
    },
    () => undefined,
  );
  const bounded = <T>(what: string, work: () => Promise<T>, withinMs = COMMAND_TIMEOUT_MS) =>
    withDeadline(withinMs, `queue: ${what}`, work);
  return {
    isReady: () => isConnected,
    add: async (id, data, withinMs) => {
      // Before its first connection BullMQ would wait for ever, and hold the job back for later.
      if (!isConnected) throw new Error('queue: not connected yet');
      await bounded('add', () => queue.add('scan', data, { jobId: id }), withinMs);
      outage.back();
    },
    has: async id => (await bounded('look', () => queue.getJob(id))) !== undefined,
    oldestWaitingMs: async () => {
      const [oldest] = await bounded('look', () => queue.getJobs(['waiting'], 0, 0, true));
      return oldest === undefined ? null : Date.now() - oldest.timestamp;
    },
    prepare: async () => {
      const meta = { 'opts.maxLenEvents': EVENTS_MAX };
      await bounded('prepare', () => queue.getBackend().setQueueMeta(meta));
    },
    close: () => {
      retry.end();
      return closed(
        () => queue.close(),
        () => queue.disconnect(),
      );
    },
  };
}

export const createWorker: MakeWorker = options => {
  let running = 0;
  let lastFetch = 0;
  const process = async (job: Job, _token?: string, signal?: AbortSignal) => {
    running += 1;
    lastFetch = Date.now();
    try {
      await options.work(job.id ?? '', job.data, signal ?? new AbortController().signal);
    } finally {
      running -= 1;
    }
  };
  const retry = retryUntilClosed();
  const worker = new Worker(options.name, process, {
    prefix: options.prefix,
    connection: { ...redisAddress(options.url), maxRetriesPerRequest: null, retryStrategy: retry.strategy },
    concurrency: options.concurrency,
    lockDuration: options.lockMs,
    stalledInterval: options.lockMs,
    maxStalledCount: 1,
    drainDelay: 5,
  });
  const outage = outageLog(options.log, `worker ${options.name}`);
  worker.on('error', error => {
    if (isConnectionError(error)) outage.failed(error);
    // Such as a job that Redis forgot while it was in work.
    else options.log.warn({ queue: options.name, err: errorText(error) }, 'queue worker');
  });
  worker.on('ready', outage.back);
  // A lost lock does not stop the processor by itself, and the job runs a second time elsewhere.
  worker.on('lockRenewalFailed', ids => {
    options.log.warn({ queue: options.name, ids }, 'jobs in work were lost by the queue');
    for (const id of ids) worker.cancelJob(id, 'its lock was lost');
  });
  return {
    running: () => running,
    lastFetch: () => lastFetch,
    close: async withinMs => {
      // From here on it fetches nothing. Where Redis is away BullMQ's own close waits for it, so it is not waited for.
      const closing = worker.close().catch(() => undefined);
      const until = Date.now() + withinMs;
      while (running > 0 && Date.now() < until) await pause(10);
      await closed(
        () => closing,
        () => worker.disconnect(),
      );
      retry.end();
    },
  };
};

/** What ioredis says when the other side is not there. */
function isConnectionError(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  return (
    /^E(?:CONN|PIPE|NOENT|TIMEDOUT|NOTFOUND|HOST|NET)/.test(code) ||
    /connection is closed|writeable|timed out/i.test(error.message)
  );
}

/** BullMQ leaves a connection trying for ever when it is closed while Redis is away: here it ends. */
function retryUntilClosed(): { strategy(times: number): number | null; end(): void } {
  let isOver = false;
  return {
    strategy: times => (isOver ? null : retryDelay(times)),
    end: () => {
      isOver = true;
    },
  };
}

/** Closes in order, and by force where that does not end: a Redis that is away must not hold up the end. */
async function closed(close: () => Promise<unknown>, disconnect: () => Promise<unknown>): Promise<void> {
  try {
    await withDeadline(CLOSE_WITHIN_MS, 'queue: close', close);
  } catch {
    await withDeadline(CLOSE_WITHIN_MS, 'queue: disconnect', disconnect).catch(() => undefined);
  }
}
