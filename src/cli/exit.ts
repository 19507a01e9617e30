// How commands end: 0 fine, 1 the answer is no, 2 usage or a bad file (DESIGN section 7).

import { CommanderError } from 'commander';
import { errorText } from '../platform/log.ts';
import { BadFile, problemText } from '../platform/problem.ts';

/** A usage error found after the options were read: what is wrong, and what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The answer is no, said on stderr. */
export class NoError extends Error {
  override readonly name = 'NoError';
}

/** Prints what went wrong and returns the exit code. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof BadFile) {
    process.stderr.write(`${error.problems.map(problemText).join('\n')}\n`);
    return 2;
  }
  // Its message says it all; the error of the system below it would only repeat the path.
  const isKnown = error instanceof Error && error.name === 'GatewayNotRunning';
  process.stderr.write(`postern: ${isKnown ? error.message : errorText(error)}\n`);
  return error instanceof UsageError ? 2 : 1;
}
