import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InFlight } from '../../../src/platform/in-flight.ts';

const never = () => new AbortController().signal;

function job(): { work: () => Promise<string>; end: () => void; began: () => boolean } {
  let end: () => void = () => undefined;
  let hasBegun = false;
  const ended = new Promise<string>(resolve => {
    end = () => resolve('done');
  });
  const work = () => {
    hasBegun = true;
    return ended;
  };
  return { work, end: () => end(), began: () => hasBegun };
}

const turns = () => new Promise(resolve => setImmediate(resolve));

test('the number at once is bounded, and the next comes in order', async () => {
  const inFlight = new InFlight(1, 1000);
  const [a, b] = [job(), job()];
  const first = inFlight.run(1, never(), a.work);
  const second = inFlight.run(1, never(), b.work);
  await turns();
  assert.deepEqual([a.began(), b.began(), inFlight.waiting], [true, false, 1]);
  a.end();
  await first;
  await turns();
  assert.equal(b.began(), true);
  b.end();
  await second;
  assert.deepEqual([inFlight.count, inFlight.waiting], [0, 0]);
});

test('the bytes at once are bounded, and what is larger than all room goes alone', async () => {
  const inFlight = new InFlight(10, 100);
  const [a, b, c] = [job(), job(), job()];
  const all = [
    inFlight.run(60, never(), a.work),
    inFlight.run(60, never(), b.work),
    inFlight.run(500, never(), c.work),
  ];
  await turns();
  assert.deepEqual([a.began(), b.began(), c.began()], [true, false, false]);
  a.end();
  await all[0];
  await turns();
  assert.deepEqual([b.began(), c.began()], [true, false]);
  b.end();
  await all[1];
  await turns();
  assert.equal(c.began(), true);
  c.end();
  await all[2];
});

test('who gives up in the line leaves it, and failing work gives its place back', async () => {
  const inFlight = new InFlight(1, 100);
  const a = job();
  const first = inFlight.run(1, never(), a.work);
  const control = new AbortController();
  const second = inFlight.run(1, control.signal, async () => 'never');
  control.abort(new Error('late'));
  await assert.rejects(second, { message: 'late' });
  a.end();
  await first;
  await assert.rejects(
    inFlight.run(1, never(), () => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  );
  assert.deepEqual([inFlight.count, inFlight.waiting], [0, 0]);
});
