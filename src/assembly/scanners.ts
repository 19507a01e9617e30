// The scanners that the settings ask for, each with the options of its room.

import { availableParallelism } from 'node:os';
import type { Settings } from '../config/settings.ts';
import type { Scanner } from '../mail/ports.ts';
import type { CachedResolver } from '../platform/dns.ts';
import type { Log } from '../platform/log.ts';
import { createThreads } from '../platform/threads.ts';
import { createClamav, createDnsLists, createSenderAuth } from '../scanners/index.ts';
import { SENDER_AUTH_THREAD } from '../scanners/sender-auth/sender-auth.ts';
import { CLAMD_THREADS } from './daemons.ts';

export interface ScannerParts {
  readonly settings: Settings;
  readonly resolver: CachedResolver;
  /** Where the embedded clamd listens, if it is there. */
  readonly clamdSocket: string;
  /** The embedded clamd has no signatures but our own of the test file. */
  readonly hasOnlyOwnSignatures: () => boolean;
  readonly log: Log;
}

/** Freshclam fetches new ones several times a day. */
const SIGNATURE_AGE_MAX_MS = 3 * 24 * 3600 * 1000;

/** DNS queries that one message may cause: SPF alone may need 111 (RFC 7208 4.6.4), lists some dozens. */
const LOOKUPS_MAX = 150;
const LIST_QUERIES_MAX = 60;
const LIST_TEST_MS = 10_000;
const LIST_TEST_EVERY_MS = 10 * 60_000;
/** Checking a sender takes a millisecond of a thread, and much waiting for DNS: one serves four cores. */
const AUTH_THREADS = Math.ceil(availableParallelism() / 4);
const AUTH_TASKS_A_THREAD = 16;
const AUTH_HEAP_MB = 512;

/** Nothing is waited for: a list that is not tested yet is tested by its first message. */
export function createScanners(parts: ScannerParts): readonly Scanner[] {
  return [...clamav(parts), ...senderAuth(parts), ...dnsLists(parts)];
}

function senderAuth({ settings, resolver }: ScannerParts): Scanner[] {
  const { enabled, deadline, maxSignatures, minRsaBits } = settings.scanners.senderAuth;
  if (!enabled) return [];
  const threads = createThreads({
    name: 'sender-auth',
    file: SENDER_AUTH_THREAD,
    threads: AUTH_THREADS,
    tasksPerThread: AUTH_TASKS_A_THREAD,
    maxQueue: settings.limits.scansInFlight,
    heapMb: AUTH_HEAP_MB,
  });
  const { hostname } = settings;
  const scanner = createSenderAuth({
    threads,
    resolver,
    hostname,
    maxSignatures,
    minRsaBits,
    maxLookups: LOOKUPS_MAX,
    dnsDeadlineMs: Math.floor(deadline * DNS_SHARE),
  });
  return [scanner];
}

/** Of the scanner's deadline: what DNS does not know by then is temperror, and there is still time to say so. */
const DNS_SHARE = 0.9;

function dnsLists({ settings, resolver, log }: ScannerParts): Scanner[] {
  const { enabled, lists } = settings.scanners.dnsLists;
  if (!enabled || lists.length === 0) return [];
  const scanner = createDnsLists({
    lists,
    resolver,
    log,
    maxQueries: LIST_QUERIES_MAX,
    ownDomains: [...settings.domains.keys()],
    testDeadlineMs: LIST_TEST_MS,
  });
  void scanner.testLists();
  const timer = setInterval(() => void scanner.testLists(), LIST_TEST_EVERY_MS);
  timer.unref();
  return [closingWith(scanner, () => clearInterval(timer))];
}

function closingWith(scanner: Scanner, stop: () => void): Scanner {
  return {
    name: scanner.name,
    scan: (task, signal) => scanner.scan(task, signal),
    health: () => scanner.health(),
    close: () => {
      stop();
      return scanner.close();
    },
  };
}

function clamav({ settings, clamdSocket, hasOnlyOwnSignatures, log }: ScannerParts): Scanner[] {
  const { enabled, address, maxBytes } = settings.scanners.clamav;
  if (!enabled) return [];
  const isEmbedded = address.kind === 'embedded';
  const scanner = createClamav({
    address: address.kind === 'embedded' ? { path: clamdSocket } : address,
    maxBytes,
    maxConcurrent: CLAMD_THREADS,
    maxBytesInFlight: settings.limits.bytesInFlight,
    hasOnlyOwnSignatures: () => isEmbedded && hasOnlyOwnSignatures(),
    ownSignaturesSuffice: settings.isDemo || isMadeForTests(log),
    maxSignatureAgeMs: SIGNATURE_AGE_MAX_MS,
  });
  return [scanner];
}

/** Tests run where freshclam never has: for them clamd's signature of the test file is enough. */
function isMadeForTests(log: Log): boolean {
  const isSo = process.env['POSTERN_TEST_SIGNATURES'] === 'enough';
  if (isSo) log.warn({}, 'POSTERN_TEST_SIGNATURES is set: mail passes unseen by clamd, no place for real mail');
  return isSo;
}
