// Judges single messages in this process: the same phases as in the gateway, without its queue. For `postern check`.

import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Report } from '../mail/finding.ts';
import type { Scanner, SpoolEntry } from '../mail/ports.ts';
import { createJudge } from '../pipeline/judge.ts';
import { hasSignatures } from '../platform/clamd.ts';
import { CachedResolver } from '../platform/dns.ts';
import { silentLog } from '../platform/log.ts';
import { socketPath } from '../platform/unix-socket.ts';
import { SIGNATURES } from './daemons.ts';
import { createScanners } from './scanners.ts';
import { createJudgeVersion, EXPAND_THREADS, readRules, scannerDeadlines } from './scanning.ts';

export interface CheckerOptions {
  readonly settings: Settings;
  /** No DNS and no clamd: rules alone. */
  readonly offline: boolean;
  /** Takes the place of the scanner of its name: recorded verdicts. */
  readonly replay: Scanner | null;
  /** Where freshclam puts its signatures; for tests. */
  readonly signatures?: string;
}

export interface Checker {
  /** Rejects only where there is nobody to judge. */
  judge(entry: SpoolEntry): Promise<Report>;
  close(): Promise<void>;
}

/** Throws BadFile where the rules cannot be used. */
export async function createChecker(options: CheckerOptions): Promise<Checker> {
  const { settings, offline, replay, signatures = SIGNATURES } = options;
  const source = readRules(settings);
  const log = silentLog();
  const { servers } = settings.dns;
  const resolver = new CachedResolver({
    servers,
    deadlineMs: settings.dns.timeout,
    maxEntries: settings.dns.cacheEntries,
  });
  const clamdSocket = await socketPath(join(settings.data, 'clamd'), 'clamd.sock');
  // As the gateway's own clamd is started: with what freshclam has brought, or with the test signature alone (I8).
  const isSigned = await hasSignatures(signatures);
  const real = offline
    ? []
    : createScanners({ settings, resolver, clamdSocket, hasOnlyOwnSignatures: () => !isSigned, log });
  const scanners = [...real.filter(scanner => scanner.name !== replay?.name), ...(replay === null ? [] : [replay])];
  const version = await createJudgeVersion(settings, source, scanners);
  const judge = createJudge({
    parts: () => version,
    expandThreads: EXPAND_THREADS,
    expandMs: settings.scanners.rules.deadline,
    scannerMs: scannerDeadlines(settings),
    log,
  });
  return {
    judge: entry => judge(entry, Date.now() + settings.timeouts.scan, AbortSignal.timeout(settings.timeouts.scan)),
    close: async () => {
      await Promise.all([version.expander.close(), ...real.map(scanner => scanner.close())]);
      resolver.close();
    },
  };
}
