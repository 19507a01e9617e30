// Asks clamd whether a message is malware. The whole message goes to it, for clamd reads mail and archives itself.
// A Scanner: it never rejects, and what is not answered exactly is never clean (I8).

import { type Finding, hit, unavailable, unscannable } from '../../mail/finding.ts';
import type { Health, Scanner, ScanTask } from '../../mail/ports.ts';
import { withDeadline, withEither } from '../../platform/deadline.ts';
import { InFlight } from '../../platform/in-flight.ts';
import { errorText } from '../../platform/log.ts';
import { type ClamdVersion, findingsOf, parseVersion, TOO_LARGE_REASON } from './answer.ts';
import { type ClamdAddress, ClamdAway } from './clamd-link.ts';
import { askVersion, scanMessage } from './clamscan-guard.ts';

export interface ClamavOptions {
  readonly address: ClamdAddress;
  /** clamd's StreamMaxLength: larger messages are `unscannable` and not sent. */
  readonly maxBytes: number;
  /** Scans at once; not more than clamd's MaxThreads. */
  readonly maxConcurrent: number;
  /** Bytes of all messages that are with clamd at once; it keeps each in a temporary file. */
  readonly maxBytesInFlight: number;
  /** clamd was started by us and has nothing but our own test signature now: that is no answer, and the policy decides. */
  readonly hasOnlyOwnSignatures: () => boolean;
  /** For the demo, which starts at once: it goes on, and every report says so. */
  readonly ownSignaturesSuffice?: boolean;
  /** Signatures older than this make health `degraded`. */
  readonly maxSignatureAgeMs: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

export const NO_SIGNATURES = 'no virus signatures: run freshclam';
/** For one question about the version; a busy clamd answers it late, but it does. */
const HEALTH_DEADLINE_MS = 3000;
const PART = 'clamav';

export function createClamav(options: ClamavOptions): Scanner {
  return new Clamav(options);
}

class Clamav implements Scanner {
  readonly name = PART;
  readonly #options: ClamavOptions;
  readonly #inFlight: InFlight;
  readonly #closing = new AbortController();
  /** As clamd said last; null before the first time. */
  #version: ClamdVersion | null = null;

  constructor(options: ClamavOptions) {
    this.#options = options;
    this.#inFlight = new InFlight(options.maxConcurrent, options.maxBytesInFlight);
  }

  async scan({ entry }: ScanTask, signal: AbortSignal): Promise<readonly Finding[]> {
    if (entry.sizeBytes > this.#options.maxBytes) return [unscannable(TOO_LARGE_REASON)];
    // Asked before too: an answer of the clamd that was may be read when the next one has begun.
    const wasBlind = this.#isBlind();
    // Nothing to look at, and clamscan would send clamd a command it does not know.
    if (entry.sizeBytes === 0) return this.#remark(wasBlind);
    try {
      const reply = await withEither(signal, this.#closing.signal, either =>
        this.#inFlight.run(entry.sizeBytes, either, () => scanMessage(this.#options.address, entry, either)),
      );
      return [...findingsOf(reply), ...this.#remark(wasBlind)];
    } catch (error) {
      return [unavailable(PART, errorText(error))];
    }
  }

  async health(): Promise<Health> {
    try {
      if (this.#closing.signal.aborted) throw new Error('closed');
      const { address } = this.#options;
      const reply = await withDeadline(HEALTH_DEADLINE_MS, 'clamd', signal => askVersion(address, signal));
      this.#version = parseVersion(reply);
      if (this.#version === null) throw new Error(`not clamd: ${reply.slice(0, 60)}`);
      return this.#healthOf(this.#version);
    } catch (error) {
      const next = 'start clamd, or correct scanners.clamav.address';
      const says = error instanceof ClamdAway ? error.message : `no answer from clamd: ${errorText(error)}`;
      return { part: PART, level: 'down', says, next };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'));
  }

  #healthOf({ program, database, builtAt }: ClamdVersion): Health {
    if (this.#hasNoSignatures()) {
      const next = 'run freshclam: what it brings is used without a restart';
      return { part: PART, level: 'down', says: `${program}, no virus signatures`, next };
    }
    const now = (this.#options.now ?? Date.now)();
    const ageMs = builtAt === null ? 0 : now - builtAt;
    const age = builtAt === null ? 'age unknown' : `${Math.max(0, Math.floor(ageMs / 86_400_000))} days old`;
    const says = `${program}, signatures ${database ?? 'of the administrator'}, ${age}`;
    if (ageMs <= this.#options.maxSignatureAgeMs) return { part: PART, level: 'ok', says, next: '' };
    return { part: PART, level: 'degraded', says, next: 'run freshclam; is the service clamav-freshclam running?' };
  }

  #hasNoSignatures(): boolean {
    return this.#options.hasOnlyOwnSignatures() || (this.#version !== null && this.#version.database === null);
  }

  #isBlind(): boolean {
    const { hasOnlyOwnSignatures, ownSignaturesSuffice = false } = this.#options;
    return !ownSignaturesSuffice && hasOnlyOwnSignatures();
  }

  /**
   * What clamd cannot know is no clean message (I8). A clamd of the administrator's without ClamAV's own signatures has
   * those that it was given, or it would not run: every report says so, and no more.
   */
  #remark(wasBlind: boolean): readonly Finding[] {
    if (wasBlind || this.#isBlind()) return [unavailable(PART, NO_SIGNATURES)];
    return this.#hasNoSignatures() ? [hit('CLAMAV_NO_SIGNATURES', NO_SIGNATURES, 0)] : [];
  }
}
