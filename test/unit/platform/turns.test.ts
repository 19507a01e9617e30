import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createMetrics } from '../../../src/platform/metrics.ts';
import { Turns } from '../../../src/platform/turns.ts';

/** A thread whose time a test lets pass. */
function thread() {
  const at = { now: 1000, used: 50 };
  return {
    clock: { now: () => at.now, used: () => at.used },
    pass: (ms: number, own: number) => {
      at.now += ms;
      at.used += own;
    },
  };
}

const CASES: readonly [string, readonly (readonly [number, number])[], number][] = [
  [
    'an idle thread has short turns',
    [
      [20, 1],
      [20, 2],
    ],
    2,
  ],
  [
    'a long turn is as long as the thread was busy',
    [
      [20, 1],
      [320, 300],
      [20, 3],
    ],
    300,
  ],
  [
    'a processor that was taken away is no turn of ours',
    [
      [900, 12],
      [20, 5],
    ],
    12,
  ],
  ['a turn is never longer than the time that went by', [[20, 45]], 20],
];

for (const [name, ticks, longest] of CASES) {
  test(name, () => {
    const { clock, pass } = thread();
    const turns = new Turns(clock);
    for (const [ms, own] of ticks) {
      pass(ms, own);
      turns.tick();
    }
    assert.equal(turns.lately(), longest);
    assert.equal(turns.take(), longest);
    assert.equal(turns.take(), 0, 'the next one asks for what came since');
  });
}

test('what was long is forgotten after two minutes', () => {
  const { clock, pass } = thread();
  const turns = new Turns(clock);
  pass(400, 400);
  turns.tick();
  const seen = [];
  for (let second = 1; second <= 130; second++) {
    pass(1000, 1);
    turns.tick();
    seen.push(turns.lately());
  }
  assert.deepEqual([seen[58], seen[100], seen[125]], [400, 400, 1]);
});

test('work that holds the real thread up shows in the metrics until they were asked', async () => {
  const metrics = createMetrics();
  await metrics.text();
  // Processor time, not the clock's: whatever else runs on this machine.
  const before = process.threadCpuUsage();
  const busyMs = () => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  while (busyMs() < 300);
  await new Promise(resolve => setTimeout(resolve, 30));
  assert.ok(longestIn(await metrics.text()) >= 0.29);
  assert.ok(longestIn(await metrics.text()) < 0.29);
});

function longestIn(text: string): number {
  return Number(/^postern_main_thread_turn_seconds ([\d.e-]+)$/m.exec(text)?.[1]);
}
