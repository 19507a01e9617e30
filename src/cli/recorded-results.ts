// The option --auth of `check`: verdicts of SPF, DKIM and DMARC that were recorded elsewhere. Called by check.ts.

import { given, UsageError } from './exit.ts';

export interface Recorded {
  readonly method: (typeof METHODS)[number];
  readonly result: string;
}

const METHODS = ['spf', 'dkim', 'dmarc'] as const;
const RESULTS = ['pass', 'fail', 'softfail', 'neutral', 'none', 'policy', 'temperror', 'permerror'];

/** Letters of ASCII alone: some others have one of these as their small letter. */
const PART = /^\s*([A-Za-z]+)=([A-Za-z]+)\s*$/;

/** `spf=pass,dkim=fail`, in any case; empty parts are passed over. Throws UsageError. */
export function recordedResults(text: string): Recorded[] {
  return text
    .split(',')
    .filter(part => part.trim() !== '')
    .map(part => {
      const [, name = '', result = ''] = PART.exec(part)?.map(word => word.toLowerCase()) ?? [];
      const method = METHODS.find(known => known === name);
      if (method !== undefined && RESULTS.includes(result)) return { method, result };
      throw new UsageError(
        `--auth ${given(part)}: expected METHOD=RESULT, METHOD of ${METHODS.join(', ')}, RESULT of ${RESULTS.join(', ')}`,
      );
    });
}
