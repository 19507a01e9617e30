// How many files and sockets this process may have open. Node raises its soft limit to the hard one when it starts, so
// what counts is the hard one that it was given: `ulimit -Hn`, or LimitNOFILE of systemd.

import { readFileSync } from 'node:fs';

/** For everything that is no client: Redis, database, scanners, next hops, spool files, log. */
const KEPT_MIN = 512;
const KEPT_SHARE = 0.1;

/** Infinity where it is not known or there is none. */
export function openFilesMax(read = () => readFileSync('/proc/self/limits', 'latin1')): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(read())?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    // Not Linux.
    return Number.POSITIVE_INFINITY;
  }
}

/** As many clients as may be connected while the rest can still open what it needs; at least one. */
export function clientsMax(filesMax: number): number {
  const kept = Math.max(KEPT_MIN, filesMax * KEPT_SHARE);
  return filesMax === Number.POSITIVE_INFINITY ? filesMax : Math.max(1, Math.floor(filesMax - kept));
}
