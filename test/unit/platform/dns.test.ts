import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { CachedResolver, DnsError, isNoRecord } from '../../../src/platform/dns.ts';
import { DnsCache } from '../../../src/platform/dns-cache.ts';
import { startDnsLiar } from '../../support/dns-liar.ts';
import { findProgram, needs } from '../../support/require.ts';
import { startUnbound, type Unbound } from '../../support/unbound.ts';

const ZONE = [
  '. 60 IN NS ns.example.org.',
  'host.example.org. 60 IN A 192.0.2.1',
  'host.example.org. 60 IN A 192.0.2.2',
  'host.example.org. 60 IN AAAA 2001:db8::1',
  'short.example.org. 2 IN A 192.0.2.9',
  'example.org. 60 IN MX 10 host.example.org.',
  'example.org. 60 IN TXT "v=spf1" " -all"',
  'alias.example.org. 60 IN CNAME host.example.org.',
  '1.2.0.192.in-addr.arpa. 60 IN PTR host.example.org.',
];

describe('with a real name server', () => {
  let unbound: Unbound | null = null;
  before(async () => {
    if (findProgram('unbound') !== null) unbound = await startUnbound(ZONE);
  });
  after(async () => unbound?.stop());

  function resolver(options: Partial<ConstructorParameters<typeof CachedResolver>[0]> = {}): CachedResolver {
    return new CachedResolver({ servers: [unbound?.server ?? ''], ...options });
  }

  test('each record type comes in the shape of node:dns', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    assert.deepEqual([...(await dns.resolve('host.example.org', 'A'))].sort(), ['192.0.2.1', '192.0.2.2']);
    assert.deepEqual(await dns.resolve('host.example.org', 'AAAA'), ['2001:db8::1']);
    assert.deepEqual(await dns.resolve('example.org', 'MX'), [{ exchange: 'host.example.org', priority: 10 }]);
    assert.deepEqual(await dns.resolve('example.org', 'TXT'), [['v=spf1', ' -all']]);
    assert.deepEqual(await dns.resolve('alias.example.org', 'CNAME'), ['host.example.org']);
    assert.deepEqual(await dns.resolve('1.2.0.192.in-addr.arpa', 'PTR'), ['host.example.org']);
    dns.close();
  });

  test('the root has a name too', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    assert.deepEqual(await dns.resolve('.', 'NS'), ['ns.example.org']);
    dns.close();
  });

  test('no such name and no such record are told apart, and both are answers', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    const absent = await dns.resolve('nowhere.example.org', 'A').catch(error => error);
    const empty = await dns.resolve('host.example.org', 'TXT').catch(error => error);
    assert.deepEqual([absent.code, empty.code], ['ENOTFOUND', 'ENODATA']);
    assert.ok(isNoRecord(absent) && isNoRecord(empty));
    assert.equal(dns.health().level, 'ok');
    assert.deepEqual([dns.stats().answered, dns.stats().failed], [2, 0]);
    dns.close();
  });

  test('the second question is answered by the cache, whatever the case and the last dot', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    await dns.resolve('host.example.org', 'AAAA');
    await dns.resolve('HOST.example.org.', 'AAAA');
    await dns.resolve('nowhere.example.org', 'A').catch(() => undefined);
    await dns.resolve('nowhere.example.org', 'A').catch(() => undefined);
    assert.deepEqual([dns.stats().answered, dns.stats().cached], [2, 2]);
    dns.close();
  });

  test('the time to live of an address is kept, and an answer without one lives five minutes', async t => {
    if (!needs(t, 'unbound')) return;
    let now = 0;
    const dns = resolver({ now: () => now });
    const ask = async () => {
      await dns.resolve('short.example.org', 'A');
      await dns.resolve('example.org', 'MX');
      return dns.stats().answered;
    };
    assert.equal(await ask(), 2);
    now = 1999;
    assert.equal(await ask(), 2);
    now = 2001;
    assert.equal(await ask(), 3);
    now = 299_999;
    assert.equal(await ask(), 4);
    now = 300_001;
    assert.equal(await ask(), 5);
    dns.close();
  });

  test('questions asked at once share one lookup', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    await Promise.all(Array.from({ length: 50 }, () => dns.resolve('example.org', 'TXT')));
    assert.deepEqual([dns.stats().answered, dns.stats().joined], [1, 49]);
    dns.close();
  });

  test('what a caller does to an answer does not change the next one', async t => {
    if (!needs(t, 'unbound')) return;
    const dns = resolver();
    const first = await dns.resolve('example.org', 'MX');
    (first as unknown[]).length = 0;
    assert.equal((await dns.resolve('example.org', 'MX')).length, 1);
    dns.close();
  });
});

describe('with a name server that misbehaves', () => {
  test('silence ends at the deadline as ETIMEOUT', async () => {
    const liar = await startDnsLiar('silent');
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 250 });
    await assert.rejects(dns.resolve('example.org', 'A'), { name: 'DnsError', code: 'ETIMEOUT' });
    dns.close();
    await liar.stop();
  });

  for (const [mode, code] of [
    ['garbage', /^E(?:TIMEOUT|BADRESP|SERVFAIL)$/],
    ['half', /^E(?:TIMEOUT|BADRESP|SERVFAIL)$/],
    ['refuse', /^EREFUSED$/],
    ['fail', /^ESERVFAIL$/],
  ] as const) {
    test(`${mode} is a failure and no answer`, async () => {
      const liar = await startDnsLiar(mode);
      const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 400 });
      const error = await dns.resolve('example.org', 'A').catch(reason => reason);
      assert.ok(error instanceof DnsError);
      assert.match(error.code, code);
      assert.equal(isNoRecord(error), false);
      dns.close();
      await liar.stop();
    });
  }

  test('nobody listening is a failure, and three in a row make DNS down', async () => {
    const liar = await startDnsLiar('silent');
    await liar.stop();
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 300 });
    for (const name of ['a.example', 'b.example', 'c.example']) await assert.rejects(dns.resolve(name, 'A'), DnsError);
    assert.equal(dns.health().level, 'down');
    assert.match(dns.health().says, /last 3 lookups had no answer/);
    dns.close();
  });

  test('a failure is kept for five seconds only', async () => {
    let now = 0;
    const liar = await startDnsLiar('fail');
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 1000, now: () => now });
    await assert.rejects(dns.resolve('example.org', 'A'), { code: 'ESERVFAIL' });
    liar.mode = 'address';
    now = 4999;
    await assert.rejects(dns.resolve('example.org', 'A'), { code: 'ESERVFAIL' });
    now = 5001;
    assert.deepEqual(await dns.resolve('example.org', 'A'), ['127.0.0.2']);
    dns.close();
    await liar.stop();
  });

  test('the signal ends the wait of its caller and of nobody else', async () => {
    const liar = await startDnsLiar('silent');
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 600 });
    const control = new AbortController();
    const given = dns.resolve('example.org', 'A', control.signal);
    const other = dns.resolve('example.org', 'A');
    control.abort(new Error('enough'));
    await assert.rejects(given, { message: 'enough' });
    await assert.rejects(other, { code: 'ETIMEOUT' });
    await assert.rejects(dns.resolve('other.example', 'A', control.signal), { message: 'enough' });
    dns.close();
    await liar.stop();
  });

  test('lookups under way are bounded, those in line wait, and more are refused', async () => {
    const liar = await startDnsLiar('silent');
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 300, maxInFlight: 1 });
    const codes = await Promise.all(
      Array.from({ length: 10 }, (_, i) => dns.resolve(`n${i}.example`, 'A').catch(error => error.code)),
    );
    assert.equal(codes.filter(code => code === 'ECANCELLED').length, 1);
    assert.equal(codes.filter(code => code === 'ETIMEOUT').length, 9);
    assert.equal(dns.stats().refused, 1);
    dns.close();
    await liar.stop();
  });

  test('close ends what is under way and in line', async () => {
    const liar = await startDnsLiar('silent');
    const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 60_000, maxInFlight: 1 });
    const pending = ['a.example', 'b.example'].map(name => dns.resolve(name, 'A').catch(error => error.code));
    dns.close();
    assert.deepEqual(await Promise.all(pending), ['ECANCELLED', 'ECANCELLED']);
    await assert.rejects(dns.resolve('c.example', 'A'), { code: 'ECANCELLED' });
    await liar.stop();
  });
});

describe('names', () => {
  for (const name of [
    '',
    '..',
    'a..b',
    'a b.example',
    'a\u0000.example',
    'a\r\nb.example',
    'a\\.example',
    'bücher.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(126)}example`,
  ]) {
    test(`${JSON.stringify(name.slice(0, 20))} (${name.length} characters) is asked nowhere`, async () => {
      const liar = await startDnsLiar('address');
      const dns = new CachedResolver({ servers: [liar.server], deadlineMs: 300 });
      await assert.rejects(dns.resolve(name, 'A'), { code: 'EBADNAME' });
      assert.equal(liar.questions, 0);
      dns.close();
      await liar.stop();
    });
  }

  test('a long name of many dots is judged at once', () => {
    const dns = new CachedResolver({ servers: ['127.0.0.1:1'] });
    const startedAt = process.cpuUsage().user;
    return assert.rejects(dns.resolve(`${'a.'.repeat(120)}\u0001`, 'A'), { code: 'EBADNAME' }).finally(() => {
      assert.ok(process.cpuUsage().user - startedAt < 1_000_000);
      dns.close();
    });
  });
});

describe('the cache', () => {
  test('forgets what was used longest ago when it has too many entries', () => {
    const cache = new DnsCache<number>({ maxEntries: 2, maxBytes: 1e6, now: () => 0 });
    const keep = { ttlMs: 1000, bytes: 1 };
    cache.set('a', 1, keep);
    cache.set('b', 2, keep);
    cache.get('a');
    cache.set('c', 3, keep);
    assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [1, undefined, 3]);
  });

  test('is bounded by size, counts down to zero, and does not keep what is too large', () => {
    let now = 0;
    const cache = new DnsCache<number>({ maxEntries: 1e6, maxBytes: 10_000, now: () => now });
    for (let i = 0; i < 1000; i++) cache.set(`key${i}`, i, { ttlMs: 1000, bytes: 100 });
    assert.ok(cache.bytes <= 10_000 && cache.entries > 10);
    cache.set('large', 1, { ttlMs: 1000, bytes: 5000 });
    assert.equal(cache.get('large'), undefined);
    now = 2000;
    for (let i = 0; i < 1000; i++) assert.equal(cache.get(`key${i}`), undefined);
    assert.deepEqual([cache.entries, cache.bytes], [0, 0]);
  });
});
