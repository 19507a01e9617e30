// How commands end: 0 fine, 1 the answer is no, 2 usage or a bad file (DESIGN section 7).

import { CommanderError } from 'commander';
import { errorText } from '../platform/log.ts';
import { BadFile, problemText } from '../platform/problem.ts';
import { safeLine, safeText } from '../platform/terminal-text.ts';

/** A usage error found after the options were read: what is wrong, and what to do. What was given is in it by `given`. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The answer is no, said on stderr. */
export class NoError extends Error {
  override readonly name = 'NoError';
}

/** Of an argument or of a file's name, in a message. */
const GIVEN_MAX = 200;
/** Of a message, with the words of the system below it. */
const SAID_MAX = 4000;

/** An argument as a message may repeat it: in one line, and harmless for the terminal. */
export function given(argument: string): string {
  return safeLine(argument, GIVEN_MAX);
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
  process.stderr.write(`postern: ${safeText(isKnown ? error.message : errorText(error), SAID_MAX)}\n`);
  return error instanceof UsageError ? 2 : 1;
}
