import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthReport } from '../../../src/assembly/health.ts';
import type { Health } from '../../../src/mail/ports.ts';

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
