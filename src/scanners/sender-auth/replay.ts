// Recorded results in the place of the real checks: for `check --auth`, where the DNS of the time is gone.

import { type Auth, type Finding, hit } from '../../mail/finding.ts';
import type { Scanner } from '../../mail/ports.ts';

export interface RecordedResult {
  readonly method: Auth['method'];
  readonly result: string;
}

/** States these results for every message, with the symbols that the real scanner gives them. */
export function replayScanner(results: readonly RecordedResult[]): Scanner {
  const findings: readonly Finding[] = results.flatMap(({ method, result }) => [
    { kind: 'auth', method, result, properties: {}, comment: 'recorded' } satisfies Auth,
    hit(symbolOf(method, result), 'recorded'),
  ]);
  return {
    name: 'sender-auth',
    scan: async () => findings,
    health: async () => ({ part: 'sender-auth', level: 'ok', says: 'recorded results', next: '' }),
    close: async () => undefined,
  };
}

/** A recorded dmarc=fail says nothing of the policy that was published: the mildest is taken. */
function symbolOf(method: Auth['method'], result: string): string {
  return method === 'dmarc' && result === 'fail' ? 'DMARC_FAIL_NONE' : `${method}_${result}`.toUpperCase();
}
