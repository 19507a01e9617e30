// How a person calls us from here: for hints that are copied from the screen. Called by the first run.

import { existsSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';

const LAUNCHER = join(import.meta.dirname, '../../bin/postern');

/** `postern` where the PATH has one, else the way to the launcher. */
export function commandName(cwd: string, path = process.env.PATH ?? ''): string {
  if (path.split(delimiter).some(folder => folder !== '' && existsSync(join(folder, 'postern')))) return 'postern';
  const short = relative(cwd, LAUNCHER);
  return short.startsWith('..') ? LAUNCHER : short;
}
