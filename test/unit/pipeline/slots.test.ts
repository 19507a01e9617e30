import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createSlots } from '../../../src/pipeline/slots.ts';

const never = new AbortController().signal;

test('so many get in, the others in the order they came', async () => {
  const slots = createSlots(1);
  const order: number[] = [];
  const first = await slots.take(never);
  const others = [1, 2].map(async n => {
    const release = await slots.take(never);
    order.push(n);
    release();
  });
  assert.deepEqual(order, []);
  first();
  await Promise.all(others);
  assert.deepEqual(order, [1, 2]);
});

test('a slot given back twice is given back once', async () => {
  const slots = createSlots(1);
  const release = await slots.take(never);
  release();
  release();
  await slots.take(never);
  const control = new AbortController();
  const third = slots.take(control.signal);
  control.abort(new Error('gave up'));
  await assert.rejects(third, /gave up/);
});

test('who gave up waiting takes no slot', async () => {
  const slots = createSlots(1);
  const release = await slots.take(never);
  const control = new AbortController();
  const gone = slots.take(control.signal);
  const next = slots.take(never);
  control.abort(new Error('gave up'));
  await assert.rejects(gone, /gave up/);
  release();
  (await next)();
  await assert.rejects(slots.take(AbortSignal.abort(new Error('too late'))), /too late/);
});
