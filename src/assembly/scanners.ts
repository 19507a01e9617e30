// The scanners that the settings ask for, each with the options of its room.

import type { Settings } from '../config/settings.ts';
import type { Scanner } from '../mail/ports.ts';
import type { CachedResolver } from '../platform/dns.ts';
import type { Log } from '../platform/log.ts';
import { createClamav } from '../scanners/clamav/clamav.ts';
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

export async function createScanners(parts: ScannerParts): Promise<readonly Scanner[]> {
  return [...clamav(parts)];
}

function clamav({ settings, clamdSocket, hasOnlyOwnSignatures }: ScannerParts): Scanner[] {
  const { enabled, address, maxBytes } = settings.scanners.clamav;
  if (!enabled) return [];
  const isEmbedded = address.kind === 'embedded';
  const scanner = createClamav({
    address: address.kind === 'embedded' ? { path: clamdSocket } : address,
    maxBytes,
    maxConcurrent: CLAMD_THREADS,
    maxBytesInFlight: settings.limits.bytesInFlight,
    hasOnlyOwnSignatures: () => isEmbedded && hasOnlyOwnSignatures(),
    maxSignatureAgeMs: SIGNATURE_AGE_MAX_MS,
  });
  return [scanner];
}
