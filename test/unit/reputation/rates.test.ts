import assert from 'node:assert/strict';
import { test } from 'node:test';

import { silentLog } from '../../../src/platform/log.ts';
import { connectRedis } from '../../../src/platform/redis.ts';
import { ConnectionCounter, createRates, type RatesOptions } from '../../../src/reputation/rates.ts';
import { createTestRedis } from '../../support/redis.ts';
import { needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

const log = silentLog();

/** Counts in memory, and remembers what it was asked. */
function fakeRedis() {
  const counts = new Map<string, number>();
  const expiries: number[] = [];
  return {
    counts,
    expiries,
    increment: async (key: string, expiresMs: number) => {
      expiries.push(expiresMs);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return counts.get(key) ?? 0;
    },
    close: async () => undefined,
  };
}

function ratesOn(redis: RatesOptions['redis'], now = () => 0) {
  return createRates({ redis, messagesPerHour: 2, connectionsPerMinute: 3, now, log });
}

test('a client network is let in up to its limit, and again in the next hour', async () => {
  let now = 1000;
  const rates = ratesOn(fakeRedis(), () => now);
  const allowed = [];
  for (let i = 0; i < 3; i++) allowed.push(await rates.allow('message', '192.0.2.1'));
  assert.deepEqual(allowed, [true, true, false]);
  now += 3_600_000;
  assert.equal(await rates.allow('message', '192.0.2.1'), true);
});

test('all addresses of a /64 count as one client, IPv4 addresses one by one', async () => {
  const rates = ratesOn(fakeRedis());
  for (const last of ['1', '2']) await rates.allow('message', `2001:db8::${last}`);
  assert.equal(await rates.allow('message', '2001:db8::3'), false);
  assert.equal(await rates.allow('message', '2001:db8:0:1::3'), true);
  for (const last of ['1', '2']) await rates.allow('message', `192.0.2.${last}`);
  assert.equal(await rates.allow('message', '192.0.2.3'), true);
});

test('connections and messages have limits of their own, and keys that go by themselves', async () => {
  const redis = fakeRedis();
  const rates = ratesOn(redis);
  await rates.allow('connection', '::ffff:192.0.2.1');
  await rates.allow('message', '192.0.2.1');
  assert.deepEqual(
    [...redis.counts.keys()],
    ['rate:postern:connection:0:192.0.2.1', 'rate:postern:message:0:192.0.2.1'],
  );
  assert.deepEqual(redis.expiries, [60_000, 3_600_000]);
});

test('hostile text never becomes part of a key', async () => {
  const redis = fakeRedis();
  const rates = ratesOn(redis);
  for (const text of ['192.0.2.1\r\nFLUSHALL', '*', '', 'x'.repeat(10_000)]) {
    assert.equal(await rates.allow('message', text), true);
  }
  assert.equal(redis.counts.size, 0);
});

test('where Redis fails or stalls everybody is let in, Redis is left alone for a moment, and health is yellow', async () => {
  let now = 0;
  let calls = 0;
  const redis = {
    increment: () => {
      calls += 1;
      return new Promise<number>(() => undefined);
    },
    close: async () => undefined,
  };
  const rates = ratesOn(redis, () => now);
  for (let i = 0; i < 5; i++) assert.equal(await rates.allow('message', '192.0.2.1'), true);
  assert.equal(calls, 1);
  assert.equal((await rates.health()).level, 'degraded');
  now += 2000;
  await rates.allow('message', '192.0.2.1');
  assert.equal(calls, 2);
});

test('with a real Redis: counted, killed, let in, back and counted again', async t => {
  if (!needs(t, 'redis-server')) return;
  const server = await createTestRedis();
  const redis = connectRedis({ url: server.url, name: 'test', commandTimeoutMs: 200, log });
  t.after(async () => {
    await redis.close();
    await server.remove();
  });
  await server.start();
  await waitFor('connected', () => redis.isReady());
  let now = 0;
  const rates = ratesOn(redis, () => now);
  const three = async () =>
    [1, 2, 3].reduce(
      async before => [...(await before), await rates.allow('message', '192.0.2.1')],
      Promise.resolve<boolean[]>([]),
    );
  assert.deepEqual(await three(), [true, true, false]);
  assert.match(await server.say('PTTL rate:postern:message:0:192.0.2.1'), /^:3[56]\d{5}\r/);
  await server.kill();
  assert.deepEqual(await three(), [true, true, true]);
  assert.equal((await rates.health()).level, 'degraded');
  await server.start();
  await waitFor('back', async () => {
    now += 10_000;
    await rates.allow('connection', '192.0.2.9');
    return (await rates.health()).level === 'ok';
  });
  assert.deepEqual(await three(), [true, true, false]);
});

test('connections are counted by client network and together', () => {
  const counter = new ConnectionCounter({ perClient: 2, total: 3 });
  const first = counter.enter('192.0.2.1');
  assert.ok(typeof first === 'function' && counter.enter('192.0.2.1'));
  assert.equal(counter.enter('::ffff:192.0.2.1'), 'address', 'the same client');
  assert.equal(typeof counter.enter('2001:db8::1'), 'function');
  assert.equal(counter.enter('198.51.100.1'), 'full', 'all together');
  first();
  first();
  assert.equal(counter.total, 2);
  assert.equal(typeof counter.enter('198.51.100.1'), 'function');
});

test('the last places are for trusted clients alone', () => {
  const counter = new ConnectionCounter({ perClient: 10, total: 3, reserved: 1 });
  for (let i = 0; i < 2; i++) assert.equal(typeof counter.enter('192.0.2.1'), 'function');
  assert.equal(counter.enter('192.0.2.1'), 'full');
  assert.equal(typeof counter.enter('10.0.0.1', true), 'function');
  assert.equal(counter.enter('10.0.0.1', true), 'full');
});

test('a client without connections leaves nothing behind', () => {
  const counter = new ConnectionCounter({ perClient: 2, total: 1000 });
  const leave = Array.from({ length: 200 }, (_, i) => counter.enter(`192.0.2.${i}`));
  assert.equal(counter.clients, 200);
  for (const close of leave) if (typeof close === 'function') close();
  assert.deepEqual([counter.clients, counter.total], [0, 0]);
});
