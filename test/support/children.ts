// The daemons of a Postern that a test runs: found by the mark they carry, also when their parent was killed.

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import type { TestContext } from 'node:test';

import { MARK } from '../../src/platform/process-id.ts';

export type ChildName = 'redis-queue' | 'redis-memory' | 'clamd';

/** Pids by name of all children that run for the data folder now, also where that has been removed. */
export function childrenOf(data: string): ReadonlyMap<string, number> {
  const start = `${MARK}=${existsSync(data) ? realpathSync(data) : data}/`;
  const found = new Map<string, number>();
  for (const name of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    const mark = environmentOf(name).find(variable => variable.startsWith(start));
    if (mark !== undefined && !isZombie(name)) found.set(mark.slice(mark.lastIndexOf('/') + 1), Number(name));
  }
  return found;
}

/** Throws where it does not run. */
export function childPid(data: string, name: ChildName): number {
  const pid = childrenOf(data).get(name);
  if (pid === undefined) throw new Error(`no child ${name} of ${data}`);
  return pid;
}

/** When the test ends nothing of the folder runs any more, even where a Postern was killed and not started again. */
export function endChildrenAfter(t: TestContext, data: string): void {
  t.after(() => {
    for (const pid of childrenOf(data).values()) process.kill(pid, 'SIGKILL');
  });
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    // Gone, or not ours.
    return [];
  }
}

function isZombie(pid: string): boolean {
  try {
    return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, ''));
  } catch {
    return true;
  }
}
