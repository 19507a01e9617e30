// Producer and worker of one host, as main.ts puts them in: one ScanService that scans what it is given.

import type { Health, ScanService, Spool } from '../mail/ports.ts';
import type { Log } from '../platform/log.ts';
import { createQueue, type MakeWorker } from '../platform/queue.ts';
import { queueNames } from './job.ts';
import { createJudge, type JudgeOptions } from './judge.ts';
import { createScanService, type Producer, type ScanLimits } from './scan-service.ts';
import { createScanWorker } from './scan-worker.ts';

export interface PipelineOptions extends Omit<JudgeOptions, 'log'> {
  /** The queue Redis: `unix:///path`, `redis://…`, `rediss://…`. */
  readonly redisUrl: string;
  /** Begins every key; default `postern`. */
  readonly prefix?: string;
  /** Names this host's queue: letters, digits, dots and hyphens, the same after every restart. */
  readonly host: string;
  readonly limits: ScanLimits;
  /** Jobs in work at once. */
  readonly concurrency: number;
  readonly spool: Pick<Spool, 'open'>;
  readonly log: Log;
  /** For tests. */
  readonly stuckMs?: number;
  readonly lockMs?: number;
  readonly makeWorker?: MakeWorker;
}

export interface Pipeline extends ScanService {
  scan: Producer['scan'];
  inFlight(): number;
  /** Of those, the ones that this host's worker has begun. */
  inWork(): number;
  /** Queue and worker, one row each. */
  parts(): Promise<readonly Health[]>;
}

/** Nothing is waited for here: it becomes ready when Redis is there. */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { log, redisUrl: url, host, limits, spool, concurrency } = options;
  const prefix = options.prefix ?? 'postern';
  const names = queueNames(prefix, host);
  const queueOptions = { url, prefix, name: names.queue, log };
  const queue = createQueue(queueOptions);
  const redis = (name: string) => ({ url, name: `${prefix}-${name}`, commandTimeoutMs: COMMAND_TIMEOUT_MS, log });
  // Each asks the other; both only after they are made.
  const service = createScanService({
    redis: redis('scan'),
    queue,
    names,
    limits,
    log,
    isInWork: id => worker.isInWork(id),
  });
  const worker = createScanWorker({
    redis: redis('worker'),
    queueOptions,
    queue,
    names,
    spool,
    judge: createJudge(options),
    concurrency,
    producer: service,
    log,
    ...(options.stuckMs === undefined ? {} : { stuckMs: options.stuckMs }),
    ...(options.lockMs === undefined ? {} : { lockMs: options.lockMs }),
    ...(options.makeWorker === undefined ? {} : { makeWorker: options.makeWorker }),
  });
  const parts = () => Promise.all([service.health(), worker.health()]);
  return {
    notReady: () => service.notReady(),
    scan: (entry, deadline, signal) => service.scan(entry, deadline, signal),
    inFlight: () => service.inFlight(),
    inWork: () => worker.running(),
    parts,
    health: async () => {
      const [ofQueue, ofWorker] = await parts();
      return ofQueue.level === 'ok' ? ofWorker : ofQueue;
    },
    close: async () => {
      // First who waits for verdicts, then who makes them.
      await service.close();
      await worker.close();
      await queue.close();
    },
  };
}

/** A Redis on the same host answers in well under a millisecond. */
const COMMAND_TIMEOUT_MS = 1000;
