import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { createLog, silentLog } from '../../../src/platform/log.ts';
import { connectRedis, redisAddress, retryDelay, subscribeRedis } from '../../../src/platform/redis.ts';
import { createTestRedis } from '../../support/redis.ts';
import { needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

const urls: readonly [url: string, address: object][] = [
  ['unix:///run/a b/redis.sock', { path: '/run/a b/redis.sock' }],
  ['redis://10.0.0.5', { host: '10.0.0.5', port: 6379, db: 0 }],
  ['redis://[2001:db8::1]:7000/3', { host: '2001:db8::1', port: 7000, db: 3 }],
  ['redis://u:p%40ss@redis.example', { host: 'redis.example', port: 6379, db: 0, username: 'u', password: 'p@ss' }],
  ['rediss://:pw@redis.example:6380', { host: 'redis.example', port: 6380, db: 0, password: 'pw', tls: {} }],
];
for (const [url, address] of urls) {
  test(`${url} is read`, () => {
    assert.deepEqual(redisAddress(url), address);
  });
}

for (const url of ['http://u:sesame@h', '10.0.0.5:6379', 'sesame', '']) {
  test(`${JSON.stringify(url)} is no Redis URL, and the error does not repeat it`, () => {
    assert.throws(
      () => redisAddress(url),
      (error: Error) => /Redis URL/.test(error.message) && !error.message.includes('sesame'),
    );
  });
}

test('reconnects come quickly at first and never stop', () => {
  assert.ok(retryDelay(1) <= 100);
  assert.equal(retryDelay(5), 1000);
  assert.equal(retryDelay(1_000_000), 1000);
});

async function setUp(t: TestContext) {
  const server = await createTestRedis();
  const lines: string[] = [];
  const log = createLog('info', line => lines.push(line));
  const options = { url: server.url, name: 'test', commandTimeoutMs: 200, log };
  const redis = connectRedis(options);
  t.after(async () => {
    server.thaw();
    await redis.close();
    await server.remove();
  });
  return { server, redis, options, lines };
}

test('without Redis a command fails at once, and works when it has come', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, redis, lines } = await setUp(t);
  await assert.rejects(redis.take('a'));
  assert.equal(redis.isReady(), false);
  await waitFor('missed', () => lines.length === 1);
  await server.start();
  await waitFor('connected', () => redis.isReady());
  assert.deepEqual(await redis.countUp([{ key: 'a', by: 1, expiresMs: 60_000 }]), [1]);
  assert.equal(await redis.take('a'), '1');
  assert.equal(await redis.take('a'), null, 'taken');
  assert.match(lines.join(''), /redis is away.*redis is back/s);
  assert.equal(lines.length, 2, 'one line for an outage, not one for each attempt');
});

test('a frozen Redis is not ready after its first command in vain, and again after the first answer', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, redis } = await setUp(t);
  await server.start();
  await waitFor('connected', () => redis.isReady());
  server.freeze();
  await assert.rejects(redis.ping(), /timed out/i);
  assert.equal(redis.isReady(), false);
  server.thaw();
  await waitFor('answers', () =>
    redis.ping().then(
      () => true,
      () => false,
    ),
  );
  assert.equal(redis.isReady(), true);
});

test('another life of the server has another name', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, redis } = await setUp(t);
  await server.start();
  await waitFor('connected', () => redis.isReady());
  const first = await redis.runId();
  assert.match(first, /^[0-9a-f]{40}$/);
  assert.equal(await redis.runId(), first);
  await server.kill();
  await server.start();
  await waitFor('connected', () => redis.isReady());
  assert.notEqual(await redis.runId(), first);
});

test('a counter counts and expires', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, redis } = await setUp(t);
  await server.start();
  await waitFor('connected', () => redis.isReady());
  const both = [
    { key: 'n', by: 1, expiresMs: 60_000 },
    { key: 'm', by: 5, expiresMs: 60_000 },
  ];
  assert.deepEqual(
    [await redis.countUp(both), await redis.countUp(both)],
    [
      [1, 5],
      [2, 10],
    ],
  );
  assert.match(await server.say('PTTL n'), /^:[56]\d{4}\r/);
});

test('a subscriber hears its channel, and is told of every new subscription after an outage', async t => {
  if (!needs(t, 'redis-server')) return;
  const { server, redis, options } = await setUp(t);
  const heard: string[] = [];
  let subscribed = 0;
  const subscription = subscribeRedis(options, 'news', {
    message: text => heard.push(text),
    subscribed: () => {
      subscribed += 1;
    },
  });
  t.after(() => subscription.close());
  await server.start();
  await waitFor('subscribed', () => subscription.isReady() && redis.isReady());
  const note = { key: 'k', value: 'v', expiresMs: 60_000, channel: 'news' };
  await redis.setAndPublish({ ...note, message: 'one' });
  await waitFor('heard', () => heard.length === 1);
  await server.kill();
  await waitFor('noticed', () => !subscription.isReady());
  await server.start();
  await waitFor('again', () => subscription.isReady() && redis.isReady());
  await redis.setAndPublish({ ...note, message: 'two' });
  await waitFor('heard', () => heard.length === 2);
  assert.deepEqual([heard, subscribed], [['one', 'two'], 2]);
});

test('closing does not wait for a Redis that is away', async () => {
  const redis = connectRedis({
    url: 'unix:///nowhere/redis.sock',
    name: 'test',
    commandTimeoutMs: 200,
    log: silentLog(),
  });
  await redis.close();
  assert.equal(redis.isReady(), false);
});
