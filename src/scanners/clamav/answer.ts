// What clamd's words mean, in five answers: clean, infected, a heuristic, too large, unknown. Pure. Only the exact words
// for clean are clean; whatever is not known is no answer (I8).

import { type Finding, hit, unavailable, unscannable } from '../../mail/finding.ts';

const CLEAN = /^stream: OK\0?\n?$/;
/** A signature's name as clamd writes it; with ExtendedDetectionInfo a hash and a size follow in brackets. */
const FOUND = /^stream: ([\x21-\x7e]{1,200}) FOUND\0?\n?$/;
const TOO_LARGE = /^INSTREAM size limit exceeded\.? ERROR\0?\n?$/;
/** Set AlertExceedsMax, and it says so here what it has not looked into. */
const LIMITS = /^Heuristics\.Limits\.Exceeded/;
const ENCRYPTED = /^Heuristics\.Encrypted/;

export const TOO_LARGE_REASON = 'too large for the virus scanner';

/** No finding is a clean message. */
export function findingsOf(reply: string): readonly Finding[] {
  if (CLEAN.test(reply)) return [];
  if (TOO_LARGE.test(reply)) return [unscannable(TOO_LARGE_REASON)];
  const signature = FOUND.exec(reply)?.[1];
  if (signature === undefined) return [unavailable('clamav', `clamd gave an unknown answer: ${reply.slice(0, 100)}`)];
  if (ENCRYPTED.test(signature)) return [unscannable(`encrypted, the virus scanner cannot read it (${signature})`)];
  if (LIMITS.test(signature)) return [unscannable(`beyond the limits of the virus scanner (${signature})`)];
  if (signature.startsWith('Heuristics.')) return [hit('CLAMAV_HEURISTIC', signature)];
  return [{ kind: 'malware', signature, part: '' }];
}

export interface ClamdVersion {
  /** `ClamAV 1.4.6`. */
  readonly program: string;
  /** Version of the daily database, null where none is loaded. */
  readonly database: number | null;
  /** Epoch milliseconds, null where none is loaded. */
  readonly builtAt: number | null;
}

/** Null where it is no answer of clamd. */
export function parseVersion(reply: string): ClamdVersion | null {
  const found = /^(ClamAV [\w.+~-]{1,60})(?:\/(\d{1,9})\/([\w: ]{10,40}))?\s*\0?\n?$/.exec(reply);
  if (found === null) return null;
  const builtAt = Date.parse(`${found[3] ?? ''} UTC`);
  const database = found[2] === undefined || found[2] === '0' ? null : Number(found[2]);
  return { program: found[1] ?? '', database, builtAt: database === null || Number.isNaN(builtAt) ? null : builtAt };
}
