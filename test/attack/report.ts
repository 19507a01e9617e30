// Counts the cases of an attack by kind, for the table at the end of `npm run attack`: one line of JSON a call, appended
// to the file that POSTERN_ATTACK_REPORT names. Without it nothing is written. Called by test/attack/*.test.ts.

import { appendFileSync } from 'node:fs';

/** Is this the long form (`npm run attack`), or the short one that is part of `npm test`? */
export const IS_LONG = process.env.POSTERN_ATTACK === 'long';

/** `n` cases more were tried and went as they must. The kind is what the table shows: `smuggling in, cut everywhere`. */
export function count(kind: string, n = 1): void {
  const file = process.env.POSTERN_ATTACK_REPORT;
  // One short line a write, so that the test processes, two at a time, cannot mix theirs.
  if (file !== undefined && file !== '') appendFileSync(file, `${JSON.stringify({ kind, n })}\n`);
}
