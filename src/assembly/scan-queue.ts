// The scan queue of this host, with the numbers that the settings give it. Each message is judged by the version of rules
// and scanners that holds when its turn comes.

import type { Settings } from '../config/settings.ts';
import type { ScanService, Spool } from '../mail/ports.ts';
import { createPipeline, type Pipeline } from '../pipeline/pipeline.ts';
import { pause } from '../platform/deadline.ts';
import type { Log } from '../platform/log.ts';
import { queueHost } from './identity.ts';
import { EXPAND_THREADS, type JudgeVersion, scannerDeadlines } from './scanning.ts';

export interface ScanQueueOptions {
  readonly settings: Settings;
  readonly redisUrl: string;
  readonly spool: Pick<Spool, 'open'>;
  /** null before there is one. */
  readonly current: () => JudgeVersion | null;
  readonly log: Log;
}

/** Messages that are read and asked about at once; more would only share the same cores. */
const SCANS_AT_ONCE = 32;

export function createScanQueue({ settings, redisUrl, spool, current, log }: ScanQueueOptions): Pipeline {
  const { limits, scanners } = settings;
  return createPipeline({
    redisUrl,
    host: queueHost(settings.hostname),
    limits: { scans: limits.scansInFlight, bytes: limits.bytesInFlight },
    concurrency: Math.min(SCANS_AT_ONCE, limits.scansInFlight),
    spool,
    parts: () => {
      const version = current();
      if (version === null) throw new Error('not started');
      return version;
    },
    expandThreads: EXPAND_THREADS,
    expandMs: scanners.rules.deadline,
    scannerMs: scannerDeadlines(settings),
    log,
  });
}

/** Starting waits so long for Redis before it listens; later it says 451 by itself. */
const READY_WITHIN_MS = 10_000;

/** Resolves when mail can be scanned, in any case after a while, or when the start is given up. */
export async function untilReady(
  pipeline: Pick<ScanService, 'notReady'>,
  isGivenUp: () => boolean,
  log: Log,
): Promise<void> {
  const until = Date.now() + READY_WITHIN_MS;
  while (pipeline.notReady() !== null && Date.now() < until && !isGivenUp()) await pause(20);
  if (pipeline.notReady() !== null) log.warn({}, 'the queue is not ready: mail gets 451 until it is');
}
