import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageCounter } from '../../../src/assembly/gateway.ts';
import {
  type AllParts,
  askHops,
  HealthCache,
  healthOfAll,
  healthReport,
  healthRoutes,
} from '../../../src/assembly/health.ts';
import { createNextHop } from '../../../src/delivery/next-hop.ts';
import type { MailId } from '../../../src/mail/mail-id.ts';
import type { Health } from '../../../src/mail/ports.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { startFakeHop } from '../../support/fake-hop.ts';
import { scored } from '../../support/gateway.ts';

const part = (name: string, level: Health['level']): Health => ({ part: name, level, says: '', next: '' });
const reportOf = (...parts: Health[]) => healthReport(parts.map(one => () => one));

const CASES: readonly (readonly [string, readonly Health[], Health['level']])[] = [
  ['all well', [part('rules', 'ok'), part('database', 'ok')], 'ok'],
  ['no virus scanner', [part('rules', 'ok'), part('clamav', 'down')], 'down'],
  ['old signatures', [part('clamav', 'degraded')], 'degraded'],
  ['no DNS list may be asked', [part('rules', 'ok'), part('dns-lists', 'down')], 'degraded'],
  ['nobody counts clients', [part('rates', 'down'), part('redis-memory', 'down')], 'degraded'],
  ['no database', [part('database', 'down'), part('dns-lists', 'down')], 'down'],
];

for (const [name, parts, level] of CASES) {
  test(`health is ${level}: ${name}`, async () => assert.equal((await reportOf(...parts)).level, level));
}

test('what is off does not protect, also where that is only yellow', async () => {
  const report = await reportOf(part('rules', 'ok'), part('clamav', 'degraded'), part('dns-lists', 'down'));
  assert.deepEqual(report.protects, ['spam, by rules', 'viruses']);
  assert.deepEqual(report.doesNotProtect, ['forged senders (SPF, DKIM, DMARC)', 'listed addresses and links']);
});

const well = (name: string) => ({ health: async () => part(name, 'ok') });
const allWell = (scanners: AllParts['scanners']): AllParts => ({
  rules: { digest: 'x' },
  reloadTrouble: null,
  metrics: { turns: { lately: () => 0 } } as unknown as AllParts['metrics'],
  pipeline: { parts: async () => [] },
  scanners,
  expander: well('rules'),
  daemons: { health: () => [] },
  records: { store: well('database'), spool: well('spool'), quarantine: well('quarantine') },
  rates: well('rates'),
  resolver: well('dns'),
  hops: [],
});

test('what the settings switch off is a choice, which is named and protects from nothing', async () => {
  const senderAuth = { name: 'sender-auth', ...well('sender-auth') };
  const report = await healthOfAll(allWell([senderAuth]));
  assert.equal(report.level, 'ok');
  assert.deepEqual(report.protects, ['spam, by rules', 'forged senders (SPF, DKIM, DMARC)']);
  assert.deepEqual(report.doesNotProtect, ['viruses', 'listed addresses and links']);
  assert.deepEqual(report.switchedOff, report.doesNotProtect);
  const off = report.parts.filter(({ part }) => part === 'clamav' || part === 'dns-lists');
  assert.deepEqual(off, [
    { part: 'clamav', level: 'ok', says: 'switched off in the settings: no protection from viruses', next: '' },
    {
      part: 'dns-lists',
      level: 'ok',
      says: 'switched off in the settings: no protection from listed addresses and links',
      next: '',
    },
  ]);
});

test('a scanner that breaks while it is asked is down, and not taken for switched off', async () => {
  const clamav = { name: 'clamav', health: () => Promise.reject(new Error('broken')) };
  const report = await healthOfAll(allWell([clamav]));
  assert.equal(report.level, 'down');
  assert.deepEqual(
    report.parts.filter(({ part }) => part === 'clamav'),
    [{ part: 'clamav', level: 'down', says: 'broken', next: 'see the log' }],
  );
  assert.ok(!report.switchedOff.includes('viruses'));
  assert.ok(report.doesNotProtect.includes('viruses'));
});

test('a part that breaks while it is asked is down, and the others are still told', async () => {
  const report = await healthReport([() => Promise.reject(new Error('broken')), () => part('rules', 'ok')]);
  assert.deepEqual(
    report.parts.map(({ level, says }) => [level, says]),
    [
      ['down', 'broken'],
      ['ok', ''],
    ],
  );
});

test('a part that breaks or stays silent is called by its name where that is known', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asking = healthReport([
    ...askHops([{ name: 'smtp://10.0.0.5:25', health: () => new Promise(() => undefined) }]),
    { part: 'database', ask: () => Promise.reject(new Error('broken')) },
  ]);
  t.mock.timers.runAll();
  assert.deepEqual(
    (await asking).parts.map(({ part, says }) => [part, says]),
    [
      ['next hop smtp://10.0.0.5:25', 'gives no sign of life'],
      ['database', 'broken'],
    ],
  );
});

test('a next hop that takes the connection and says nothing is told of by itself, in time', async t => {
  const fake = await startFakeHop({ steps: { connect: 'silent' } });
  const hop = createNextHop({ hosts: [fake.smtp], tls: 'may', hostname: 'mx.example.org', log: silentLog() });
  t.after(async () => {
    await hop.close();
    await fake.stop();
  });
  const { parts } = await healthReport(askHops([hop]));
  assert.deepEqual(
    parts.map(({ part, says }) => [part, says]),
    [['next hop', `${fake.smtp}: no answer within 4000 ms`]],
  );
});

test('metrics count messages, time, silent scanners and what is going on now', async () => {
  const metrics = createMetrics();
  const counted = messageCounter(metrics);
  const silent = { kind: 'unavailable', scanner: 'clamav', reason: '', points: 0, effect: null } as const;
  const report = { ...scored('0123456789abcdefgh' as MailId, 0), findings: [silent], ms: { clamav: 40, rules: 2 } };
  counted({ outcome: 'defer', state: 'deferred', bytes: 1234, report, ms: { scan: 41 } });
  counted({ outcome: 'failed', state: 'refused', bytes: 0, report: null, ms: {} });
  const load = () => ({ connections: 3, scans: 1 });
  const route = healthRoutes(async () => healthReport([]), metrics, load).find(({ path }) => path === '/metrics');
  const answer = await route?.handler({ params: {}, query: {}, body: undefined });
  const lines = answer?.text?.split('\n') ?? [];
  for (const expected of [
    'postern_messages_total{outcome="defer",state="deferred"} 1',
    'postern_messages_total{outcome="failed",state="refused"} 1',
    'postern_message_bytes_total 1234',
    'postern_step_seconds_count{step="scan"} 1',
    'postern_scanner_seconds_count{scanner="clamav"} 1',
    'postern_scanner_unavailable_total{scanner="clamav"} 1',
    'postern_connections 3',
    'postern_scans_in_flight 1',
  ]) {
    assert.ok(lines.includes(expected), expected);
  }
});

test('who asks often is told the last report, and how old it is; the parts are asked again after five seconds', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  let asked = 0;
  const cache = new HealthCache(async () => {
    asked += 1;
    return healthReport([() => part('rules', 'ok')]);
  });
  const routes = healthRoutes(
    maxAgeMs => cache.report(maxAgeMs),
    createMetrics(),
    () => ({ connections: 0, scans: 0 }),
  );
  const get = async () => {
    const answer = await routes[0]?.handler({ params: {}, query: {}, body: undefined });
    return (answer?.body as { ageSeconds?: number }).ageSeconds;
  };
  assert.deepEqual(await Promise.all([get(), get()]), [0, 0]);
  assert.equal(asked, 1, 'two at once share one asking');
  t.mock.timers.tick(4000);
  assert.equal(await get(), 4);
  assert.equal(asked, 1);
  t.mock.timers.tick(1000);
  assert.equal(await get(), 0);
  assert.equal(asked, 2);
  await cache.report(0);
  assert.equal(asked, 3, 'doctor asks afresh');
});
