import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Turn } from '../../../../src/gateway/smtp/turn.ts';

test('a client that owes a line keeps us waiting, whatever drips in, and is late after its time', () => {
  const turn = new Turn();
  turn.theirs();
  const now = Date.now();
  assert.ok(turn.waitedMs(now + 5000, 4) >= 4900);
  assert.equal(turn.isLate(now + 5000, 10_000), false);
  assert.equal(turn.isLate(now + 20_000, 10_000), true);
});

test('nobody waits for a client that we owe an answer', () => {
  const turn = new Turn();
  turn.ours();
  assert.equal(turn.waitedMs(Date.now() + 60_000, 0), 0);
  assert.equal(turn.isLate(Date.now() + 600_000, 10_000), false);
});

test('content at a fair pace is no waiting, a drip is', () => {
  const turn = new Turn();
  turn.content(1000);
  const now = Date.now();
  assert.equal(turn.waitedMs(now + 10_000, 1000 + 10_000 * 20), 0);
  assert.ok(turn.waitedMs(now + 10_000, 1000 + 2560) > 9000, '256 bytes a second');
  assert.equal(turn.isLate(now + 600_000, 10_000), false, 'content has deadlines of its own');
  turn.theirs();
  assert.ok(turn.waitedMs(Date.now(), 0) < 1000);
});

test('while our own disk pauses nobody waits for the client', async t => {
  const clock = { now: 1000 };
  t.mock.method(Date, 'now', () => clock.now);
  const turn = new Turn();
  turn.content(0);
  const pieces = turn.timed(
    (async function* () {
      yield Buffer.from('a');
      clock.now += 3000;
      yield Buffer.from('b');
    })(),
  );
  await pieces.next();
  clock.now += 60_000;
  assert.equal(turn.waitedMs(clock.now, 0), 0, 'the first piece is being written');
  await pieces.next();
  assert.equal(turn.waitedMs(clock.now, 0), 3000, 'it was written, and the client took its time for the second');
  clock.now += 60_000;
  assert.equal(turn.waitedMs(clock.now, 0), 3000);
  assert.equal((await pieces.next()).done, true);
  turn.content(0);
  clock.now += 5000;
  assert.equal(turn.waitedMs(clock.now, 0), 5000, 'the next content begins anew');
});

test('the wait before a greeting is not the time of the client', t => {
  const clock = { now: 1000 };
  t.mock.method(Date, 'now', () => clock.now);
  const turn = new Turn();
  turn.theirs(500);
  clock.now += 400;
  assert.equal(turn.waitedMs(clock.now, 0), 0);
  clock.now += 300;
  assert.equal(turn.waitedMs(clock.now, 0), 200);
});
