// Says whether a daemon a test needs is on this machine: skips the test by name where it is not, and fails it where
// POSTERN_REQUIRE_ALL is set (continuous integration), so that nothing is passed over unseen.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/lib/postfix/sbin'];

/** The program's path, null where it is not installed. */
export function findProgram(name: string): string | null {
  for (const folder of FOLDERS) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** True when all programs are there; else the test is skipped (or fails, see above) and its body must return. */
export function needs(t: TestContext, ...programs: readonly string[]): boolean {
  const missing = programs.filter(program => findProgram(program) === null);
  return missing.length === 0 || passOver(t, `not installed: ${missing.join(', ')}`);
}

/** Skips the test with a reason, or fails it where everything is required. Always false. */
export function passOver(t: TestContext, reason: string): false {
  if (process.env.POSTERN_REQUIRE_ALL === '1') throw new Error(`required, but ${reason}`);
  t.skip(reason);
  return false;
}
