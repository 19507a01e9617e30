import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { type CpuProfile, readProfiles, roomOf, sumProfile } from '../../../bench/profile.ts';

const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url, lineNumber: 6 },
  children,
});

const PROFILE: CpuProfile = {
  nodes: [
    node(1, '(root)', '', [2, 3, 4, 5]),
    node(2, '(idle)', ''),
    node(3, '(garbage collector)', ''),
    node(4, '(program)', ''),
    node(5, 'match', 'file:///x/src/rules/match.ts', [6, 7, 8]),
    node(6, 'RegExp: a+b', ''),
    node(7, 'toString', ''),
    node(8, 'write', 'node:net'),
  ],
  samples: [5, 6, 7, 8, 2, 3, 4],
  // The first delta is the time from the start to the first sample; each sample lasts until the next.
  timeDeltas: [99, 1000, 2000, 3000, 4000, 5000, 6000],
};

test('time is summed by room, builtins and expressions with their caller, and waiting is left out', () => {
  const { rooms, functions } = sumProfile(PROFILE);
  assert.deepEqual(rooms, { 'src/rules': 6, node: 4, 'garbage collector': 6 });
  assert.equal(functions['match src/rules/match.ts:7'], 1);
  assert.equal(functions['RegExp: a+b < match src/rules/match.ts:7'], 2);
});

const ROOMS: Readonly<Record<string, string>> = {
  'file:///home/x/src/gateway/smtp/listener.ts': 'src/gateway',
  'file:///home/x/src/main.ts': 'src',
  'file:///home/x/node_modules/bullmq/dist/esm/queue.js': 'bullmq',
  'file:///x/node_modules/@scope/a/node_modules/b/src/c.js': 'b',
  'file:///x/node_modules/@scope/a/src/c.js': '@scope/a',
  'node:internal/timers': 'node',
};

test('a file belongs to a folder of src, to the innermost package, or to Node', () => {
  for (const [url, room] of Object.entries(ROOMS)) assert.equal(roomOf(url), room, url);
});

test('threads that do the same work are one column, the main thread is told by its number', t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const expand = JSON.stringify(PROFILE).replaceAll('/src/rules/match.ts', '/src/thread.ts');
  writeFileSync(join(folder, '0.cpuprofile'), JSON.stringify(PROFILE));
  for (const n of [3, 4]) writeFileSync(join(folder, `${n}.cpuprofile`), expand);
  const found = Object.fromEntries(readProfiles(folder).map(({ thread, rooms }) => [thread, rooms]));
  assert.equal(found['main']?.['src/rules'], 6);
  assert.equal(found['expand']?.['src'], 12);
});
