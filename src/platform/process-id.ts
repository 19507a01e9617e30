// Who is behind a process id: ids are used again, so a pid alone proves nothing. A child of ours carries a mark in its
// environment and has a start time; both are read from /proc (Linux). Without /proc nothing is ever recognised.

import { readdir, readFile } from 'node:fs/promises';

/** The environment variable that names the folder a child belongs to. */
export const MARK = 'POSTERN_CHILD';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks from boot to its start, as /proc/PID/stat says it: never the same for two users of one pid. */
  readonly startTicks: string;
}

/** The process as it is now; null where there is none, or only a zombie nobody has waited for. */
export async function processId(pid: number): Promise<ProcessId | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The second field is the name in parentheses and may hold anything; fields 3 (state) and 22 (start) come after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return startTicks === undefined || state === 'Z' || state === 'X' ? null : { pid, startTicks };
}

/** Is it still the same process? */
export async function isAlive(id: ProcessId): Promise<boolean> {
  return (await processId(id.pid))?.startTicks === id.startTicks;
}

/** Does the process carry this mark? */
export async function isMarked(pid: number, mark: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return environment.split('\0').includes(`${MARK}=${mark}`);
}

/** A process of this user with the mark: one whose parent died before it could write the pid down. */
export async function findMarked(mark: string): Promise<ProcessId | null> {
  const names = await readdir('/proc').catch(() => []);
  for (const name of names) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    if (await isMarked(Number(name), mark)) {
      const found = await processId(Number(name));
      if (found !== null) return found;
    }
  }
  return null;
}
