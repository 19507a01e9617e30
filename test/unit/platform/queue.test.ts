import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { silentLog } from '../../../src/platform/log.ts';
import { createQueue, createWorker } from '../../../src/platform/queue.ts';
import { createTestRedis } from '../../support/redis.ts';
import { needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

async function setUp(t: TestContext) {
  const server = await createTestRedis();
  const options = { url: server.url, prefix: 'test', name: 'jobs', log: silentLog() };
  const queue = createQueue(options);
  const closers: (() => Promise<void>)[] = [() => queue.close()];
  t.after(async () => {
    server.thaw();
    for (const close of closers) await close();
    await server.remove();
  });
  const work = (handler: (id: string, data: unknown) => Promise<void>) => {
    const worker = createWorker({ ...options, concurrency: 2, lockMs: 15_000, work: handler });
    closers.unshift(() => worker.close(1000));
    return worker;
  };
  return { server, queue, work };
}

test('a job is done once, with what it was given, and nothing of it stays', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue, work } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  await queue.add('a', { n: 1 }, 1000);
  await queue.add('a', { n: 2 }, 1000);
  assert.equal(await queue.has('a'), true);
  assert.ok(((await queue.oldestWaitingMs()) ?? -1) >= 0);
  const done: unknown[] = [];
  const worker = work(async (id, data) => {
    done.push([id, data]);
  });
  await waitFor('gone', async () => !(await queue.has('a')));
  assert.deepEqual(done, [['a', { n: 1 }]]);
  assert.ok(worker.lastFetch() > 0);
  assert.equal(await queue.oldestWaitingMs(), null);
});

test('before Redis was ever there add rejects at once and holds nothing back', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue } = await setUp(t);
  await assert.rejects(queue.add('early', {}, 1000), /not connected yet/);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  assert.equal(await queue.has('early'), false);
});

test('add to a frozen Redis rejects in time', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  server.freeze();
  await assert.rejects(queue.add('a', {}, 100), /no answer within 100 ms/);
});

test('a worker goes on when Redis was away', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue, work } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  const done: string[] = [];
  work(async id => {
    done.push(id);
  });
  await queue.add('a', {}, 1000);
  await waitFor('first', () => done.length === 1);
  await server.kill();
  await server.start();
  await waitFor('second', async () => {
    await queue.add('b', {}, 1000).catch(() => undefined);
    return done.includes('b');
  });
});

test('a handler that rejects fails its job, which is kept for looking at', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue, work } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  work(async () => Promise.reject(new Error('no')));
  await queue.add('bad', {}, 1000);
  await waitFor('failed', async () => (await server.say('ZCARD test:jobs:failed')) === ':1\r\n');
});

test('the stream of events is kept short, also in a Redis that came back empty', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  await waitFor('set', async () => /100\r\n$/.test(await server.say('HGET test:jobs:meta opts.maxLenEvents')));
  await server.say('FLUSHALL');
  await queue.prepare();
  assert.match(await server.say('HGET test:jobs:meta opts.maxLenEvents'), /100\r\n$/);
});

test('closing does not wait for a Redis that is away, or frozen', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, queue, work } = await setUp(t);
  await server.start();
  await waitFor('connected', () => queue.isReady());
  const worker = work(async () => undefined);
  server.freeze();
  await Promise.all([worker.close(500), queue.close()]);
  server.thaw();
});
