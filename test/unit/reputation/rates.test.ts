import assert from 'node:assert/strict';
import { test } from 'node:test';

import { silentLog } from '../../../src/platform/log.ts';
import { connectRedis, type KeyCount } from '../../../src/platform/redis.ts';
import { ConnectionCounter, createRates, type RatesOptions } from '../../../src/reputation/rates.ts';
import { createTestRedis } from '../../support/redis.ts';
import { needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

const log = silentLog();

/** Counts in memory, and remembers what it was asked; fails as long as `isAway`. */
function fakeRedis() {
  const counts = new Map<string, number>();
  const asked: KeyCount[][] = [];
  const redis = {
    counts,
    asked,
    isAway: false,
    countUp: async (batch: readonly KeyCount[]) => {
      asked.push([...batch]);
      if (redis.isAway) throw new Error('away');
      return batch.map(({ key, by }) => {
        counts.set(key, (counts.get(key) ?? 0) + by);
        return counts.get(key) ?? 0;
      });
    },
    close: async () => undefined,
  };
  return redis;
}

function ratesOn(redis: RatesOptions['redis'], now = () => 0) {
  return createRates({ redis, messagesPerHour: 2, connectionsPerMinute: 3, now, log, exchangeMs: 1 });
}

test('a client network is let in up to its limit, and again in the next hour', () => {
  let now = 1000;
  const rates = ratesOn(fakeRedis(), () => now);
  const three = () => [1, 2, 3].map(() => rates.allow('message', '192.0.2.1'));
  assert.deepEqual(three(), [true, true, false]);
  now += 3_600_000;
  assert.deepEqual(three(), [true, true, false]);
});

test('all addresses of a /64 count as one client, IPv4 addresses one by one', () => {
  const rates = ratesOn(fakeRedis());
  for (const last of ['1', '2']) rates.allow('message', `2001:db8::${last}`);
  assert.equal(rates.allow('message', '2001:db8::3'), false);
  assert.equal(rates.allow('message', '2001:db8:0:1::3'), true);
  for (const last of ['1', '2']) rates.allow('message', `192.0.2.${last}`);
  assert.equal(rates.allow('message', '192.0.2.3'), true);
});

test('connections and messages have limits of their own, and keys that go by themselves', async () => {
  const redis = fakeRedis();
  const rates = ratesOn(redis, () => 1000);
  rates.allow('connection', '::ffff:192.0.2.1');
  rates.allow('message', '192.0.2.1');
  rates.allow('message', '192.0.2.1');
  await rates.close();
  assert.deepEqual(
    redis.asked.flat().map(({ key, by, expiresMs }) => [key, by, expiresMs]),
    [
      ['rate:postern:connection:0:192.0.2.1', 1, 59_000],
      ['rate:postern:message:0:192.0.2.1', 2, 3_599_000],
    ],
  );
});

test('what other hosts have counted counts here too, a moment later', async () => {
  const redis = fakeRedis();
  const [one, other] = [ratesOn(redis), ratesOn(redis)];
  assert.equal(one.allow('message', '192.0.2.1'), true);
  assert.equal(one.allow('message', '192.0.2.1'), true);
  await waitFor('exchanged', () => redis.counts.size > 0);
  assert.equal(other.allow('message', '192.0.2.1'), true, 'not known yet');
  await waitFor('exchanged', () => redis.counts.get('rate:postern:message:0:192.0.2.1') === 3);
  assert.equal(other.allow('message', '192.0.2.1'), false);
});

test('without a limit nothing is counted', async () => {
  const redis = fakeRedis();
  const infinite = Number.POSITIVE_INFINITY;
  const rates = createRates({ redis, messagesPerHour: infinite, connectionsPerMinute: infinite, log });
  assert.equal(rates.allow('message', '192.0.2.1'), true);
  await rates.close();
  assert.deepEqual(redis.asked, []);
});

test('hostile text never becomes part of a key', async () => {
  const redis = fakeRedis();
  const rates = ratesOn(redis);
  for (const text of ['192.0.2.1\r\nFLUSHALL', '*', '', 'x'.repeat(10_000)]) {
    assert.equal(rates.allow('message', text), true);
  }
  await rates.close();
  assert.deepEqual(redis.asked, []);
});

test('a hundred thousand clients cost a bounded memory, and the latest are counted', () => {
  const rates = ratesOn(fakeRedis());
  const addressOf = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  for (let i = 0; i < 100_000; i++) assert.equal(rates.allow('message', addressOf(i)), true);
  assert.equal(rates.allow('message', addressOf(99_999)), true);
  assert.equal(rates.allow('message', addressOf(99_999)), false);
  assert.equal(rates.allow('message', addressOf(0)), true, 'forgotten');
});

test('while Redis fails this host counts alone, health is yellow, and nothing is forgotten', async () => {
  const redis = fakeRedis();
  redis.isAway = true;
  const rates = ratesOn(redis);
  const isDegraded = async () => (await rates.health()).level === 'degraded';
  rates.allow('message', '192.0.2.1');
  await waitFor('noticed', isDegraded);
  assert.equal(rates.allow('message', '192.0.2.1'), true);
  assert.equal(rates.allow('message', '192.0.2.1'), false);
  redis.isAway = false;
  await waitFor('well again without another client', async () => !(await isDegraded()));
  assert.equal(redis.counts.get('rate:postern:message:0:192.0.2.1'), 3);
});

test('with a real Redis: counted, killed, counted alone, back and counted by all', async t => {
  if (!needs(t, 'redis-server')) return;
  const server = await createTestRedis();
  const redis = connectRedis({ url: server.url, name: 'test', commandTimeoutMs: 200, log });
  const rates = ratesOn(redis);
  t.after(async () => {
    await rates.close();
    await server.remove();
  });
  await server.start();
  await waitFor('connected', () => redis.isReady());
  assert.equal(rates.allow('message', '192.0.2.1'), true);
  await waitFor('counted', async () =>
    /^:3[56]\d{5}\r/.test(await server.say('PTTL rate:postern:message:0:192.0.2.1')),
  );
  await server.kill();
  assert.equal(rates.allow('message', '192.0.2.1'), true);
  assert.equal(rates.allow('message', '192.0.2.1'), false);
  await waitFor('noticed', async () => (await rates.health()).level === 'degraded');
  await server.start();
  await waitFor('back', async () => (await rates.health()).level === 'ok');
  assert.match(
    await server.say('GET rate:postern:message:0:192.0.2.1'),
    /\b2\b/,
    'what the dead one had not been told',
  );
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
  assert.equal(counter.enter('192.0.2.1'), 'reserved');
  assert.equal(typeof counter.enter('10.0.0.1', true), 'function');
  assert.equal(counter.enter('10.0.0.1', true), 'full');
});

test('trusted clients in their own places take none of the others’', () => {
  const counter = new ConnectionCounter({ perClient: 10, total: 6, reserved: 2 });
  for (let i = 0; i < 2; i++) assert.equal(typeof counter.enter('10.0.0.1', true), 'function');
  const leave = Array.from({ length: 4 }, () => counter.enter('192.0.2.1'));
  assert.ok(leave.every(one => typeof one === 'function'));
  assert.equal(counter.enter('192.0.2.1'), 'reserved');
  const [first] = leave;
  if (typeof first === 'function') first();
  assert.equal(typeof counter.enter('192.0.2.1'), 'function');
  assert.equal(counter.enter('10.0.0.1', true), 'full', 'all together');
});

test('a client without connections leaves nothing behind', () => {
  const counter = new ConnectionCounter({ perClient: 2, total: 1000 });
  const leave = Array.from({ length: 200 }, (_, i) => counter.enter(`192.0.2.${i}`));
  assert.equal(counter.clients, 200);
  for (const close of leave) if (typeof close === 'function') close();
  assert.deepEqual([counter.clients, counter.total], [0, 0]);
});
