// How long the main thread of a running Postern was busy with one thing, as its own metrics say: in processor time of
// that thread, so that a busy machine does not count. And the other figures by which attacks are judged.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

import { LONGEST_TURN_MS } from '../../src/platform/turns.ts';
import type { RunningPostern } from './postern.ts';

/** Each scrape begins a new measurement, also one for another figure: so the longest is kept here, by process. */
const longest = new WeakMap<RunningPostern, number>();

/** Milliseconds: the longest turn since the last call. */
export async function longestTurnMs(postern: RunningPostern): Promise<number> {
  await metric(postern, '');
  const milliseconds = longest.get(postern) ?? 0;
  longest.set(postern, 0);
  return milliseconds;
}

/** Issue 3: "an event-loop delay above 200 ms on the main thread during all of this is a bug". */
export async function assertNoLongTurn(postern: RunningPostern, during: string): Promise<number> {
  const milliseconds = Math.round(await longestTurnMs(postern));
  assert.ok(
    milliseconds <= LONGEST_TURN_MS,
    `${during}: the main thread was busy with one thing for ${milliseconds} ms`,
  );
  return milliseconds;
}

/** The value of one metric with exactly these labels (`{reason="full"}`), 0 where it has not been counted yet. */
export async function metric(postern: RunningPostern, name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${postern.httpPort}/metrics`, { headers: { connection: 'close' } });
  const lines = (await answer.text()).split('\n');
  const value = (of: string) => Number(lines.find(line => line.startsWith(`${of} `))?.slice(of.length + 1) ?? 0);
  longest.set(postern, Math.max(longest.get(postern) ?? 0, 1000 * value('postern_main_thread_turn_seconds')));
  return value(name);
}

/** Bytes that the process holds in memory now. */
export function rssBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

/** Open files and sockets of the process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
