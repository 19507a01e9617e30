import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageCounter } from '../../../src/assembly/gateway.ts';
import { healthReport, healthRoutes } from '../../../src/assembly/health.ts';
import type { MailId } from '../../../src/mail/mail-id.ts';
import type { Health } from '../../../src/mail/ports.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { scored } from '../../support/gateway.ts';

const part = (name: string, level: Health['level']): Health => ({ part: name, level, says: '', next: '' });

test('health is as bad as its worst part, and says what mail is not protected from', async () => {
  const parts = [part('rules', 'ok'), part('clamav', 'down'), part('sender-auth', 'degraded')];
  const report = await healthReport(parts.map(one => () => one));
  assert.equal(report.level, 'down');
  assert.deepEqual(report.protects, ['spam, by rules', 'forged senders (SPF, DKIM, DMARC)']);
  assert.deepEqual(report.doesNotProtect, ['viruses', 'listed addresses and links']);
  assert.equal((await healthReport([() => part('rules', 'degraded')])).level, 'degraded');
});

test('a part that throws is down, and the others are told all the same', async () => {
  const broken = () => {
    throw new Error('it broke');
  };
  const report = await healthReport([broken, () => part('rules', 'ok')]);
  assert.equal(report.level, 'down');
  assert.deepEqual(
    report.parts.map(({ level, says }) => [level, says]),
    [
      ['down', 'it broke'],
      ['ok', ''],
    ],
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
