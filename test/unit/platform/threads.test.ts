import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createThreads, ThreadLost, type Threads, ThreadsBusy } from '../../../src/platform/threads.ts';

const FILE = new URL('../../support/thread-tasks.ts', import.meta.url);
const never = () => new AbortController().signal;

async function withThreads(
  options: Partial<Parameters<typeof createThreads>[0]>,
  work: (threads: Threads) => Promise<void>,
): Promise<void> {
  const threads = createThreads({ name: 'test', file: FILE, threads: 1, maxQueue: 10, heapMb: 64, ...options });
  try {
    await work(threads);
  } finally {
    await threads.close();
  }
}

test('a task gets its input and gives its answer', () =>
  withThreads({ data: 'greeting' }, async threads => {
    assert.deepEqual(await threads.run('echo', { a: 1 }, { signal: never() }), { a: 1, data: 'greeting' });
    assert.equal(threads.stats().done, 1);
    assert.equal(threads.health().level, 'ok');
  }));

test('what a task throws is what the caller gets', () =>
  withThreads({}, threads =>
    assert.rejects(threads.run('fail', 'broken', { signal: never() }), { message: 'broken' }),
  ));

test('an endless loop ends with its signal, and the next task runs', () =>
  withThreads({}, async threads => {
    await threads.run('echo', {}, { signal: never() });
    const control = new AbortController();
    const endless = threads.run('spin', null, { signal: control.signal });
    control.abort(new Error('deadline'));
    await assert.rejects(endless, { message: 'deadline' });
    assert.deepEqual(await threads.run('echo', { b: 2 }, { signal: never() }), { b: 2, data: null });
    assert.equal(threads.stats().lost, 1);
  }));

test('a task that eats all memory loses its thread, and the next task runs', () =>
  withThreads({ heapMb: 32 }, async threads => {
    await assert.rejects(threads.run('eat', null, { signal: never() }), ThreadLost);
    assert.deepEqual(await threads.run('echo', { c: 3 }, { signal: never() }), { c: 3, data: null });
  }));

test('a task that ends its thread rejects as lost', () =>
  withThreads({}, threads => assert.rejects(threads.run('exit', null, { signal: never() }), ThreadLost)));

test('the neighbours of a killed task are told that their thread is lost', () =>
  withThreads({ tasksPerThread: 2 }, async threads => {
    await threads.run('echo', {}, { signal: never() });
    const neighbour = threads.run('wait', null, { signal: never() });
    const control = new AbortController();
    const endless = threads.run('spin', null, { signal: control.signal });
    control.abort(new Error('deadline'));
    await assert.rejects(endless, { message: 'deadline' });
    await assert.rejects(neighbour, ThreadLost);
  }));

test('beyond the queue a task is refused at once', () =>
  withThreads({ maxQueue: 1 }, async threads => {
    await threads.run('echo', {}, { signal: never() });
    const control = new AbortController();
    const taken = threads.run('wait', null, { signal: control.signal }).catch(() => 'aborted');
    const waiting = threads.run('wait', null, { signal: control.signal }).catch(() => 'aborted');
    await assert.rejects(threads.run('wait', null, { signal: never() }), ThreadsBusy);
    assert.equal(threads.health().level, 'degraded');
    assert.deepEqual([threads.stats().running, threads.stats().waiting], [1, 1]);
    control.abort();
    assert.deepEqual(await Promise.all([taken, waiting]), ['aborted', 'aborted']);
  }));

test('an aborted signal starts nothing, and a closed pool neither', async () => {
  const threads = createThreads({ name: 'test', file: FILE, threads: 1, maxQueue: 10, heapMb: 64 });
  await assert.rejects(threads.run('echo', {}, { signal: AbortSignal.abort(new Error('late')) }), { message: 'late' });
  const running = threads.run('wait', null, { signal: never() });
  const lost = assert.rejects(running, ThreadLost);
  await threads.close();
  await threads.close();
  await lost;
  await assert.rejects(threads.run('echo', {}, { signal: never() }), ThreadLost);
  assert.equal(threads.health().level, 'down');
});
