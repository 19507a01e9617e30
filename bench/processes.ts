// What processes have used, from /proc (Linux): CPU by process, tree and thread, and memory. Nothing is started or ended.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat in a second; 100 on every Linux that Debian builds. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

interface Stat {
  readonly ppid: number;
  readonly ownMs: number;
  /** Of children that have ended and were waited for. */
  readonly childrenMs: number;
}

/** CPU of one process so far, milliseconds; 0 where it is gone. */
export function cpuMs(pid: number): number {
  return stat(`/proc/${pid}`)?.ownMs ?? 0;
}

/** CPU of a process and of all below it, those that have ended included. */
export function treeCpuMs(pid: number): number {
  let total = 0;
  for (const each of treeOf(pid)) {
    const { ownMs = 0, childrenMs = 0 } = stat(`/proc/${each}`) ?? {};
    total += ownMs + childrenMs;
  }
  return total;
}

/** CPU of the process's threads by their names, milliseconds; those of one name together. Threads that have ended are missing. */
export function threadsCpuMs(pid: number): Record<string, number> {
  const found: Record<string, number> = {};
  for (const thread of list(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    const name = read(`${folder}/comm`).trim() || '?';
    found[name] = (found[name] ?? 0) + (stat(folder)?.ownMs ?? 0);
  }
  return found;
}

/** Resident bytes of one process now. */
export function rssBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** The most it has ever been resident. */
export function peakRssBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

/** Of a tree: shared pages are counted once (proportional set size). */
export function treeRssBytes(pid: number): number {
  let total = 0;
  for (const each of treeOf(pid)) total += kilobytes(read(`/proc/${each}/smaps_rollup`), 'Pss');
  return total;
}

export function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of list('/proc').filter(entry => /^\d+$/.test(entry))) {
    const parent = stat(`/proc/${name}`)?.ppid;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

function stat(folder: string): Stat | null {
  const text = read(`${folder}/stat`);
  // The second field is the name in parentheses and may hold anything.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, ppid, , , , , , , , , , utime, stime, cutime, cstime] = fields;
  if (ppid === undefined || utime === undefined || stime === undefined) return null;
  const ms = (ticks: number) => (ticks * 1000) / TICKS;
  return { ppid, ownMs: ms(utime + stime), childrenMs: ms((cutime ?? 0) + (cstime ?? 0)) };
}

function statusBytes(pid: number, name: string): number {
  return kilobytes(read(`/proc/${pid}/status`), name);
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It has ended.
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
