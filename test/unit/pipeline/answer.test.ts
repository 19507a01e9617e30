import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Finding, Report } from '../../../src/mail/finding.ts';
import { ANSWER_MAX_BYTES, boundedAnswer, decodeAnswer, encodeAnswer } from '../../../src/pipeline/answer.ts';
import { fakeEntry, newId, plainCombine } from '../../support/scan-fakes.ts';

const entry = fakeEntry();
const reportOf = (findings: readonly Finding[]): Report =>
  plainCombine(entry, [{ scanner: 'x', ms: 1, findings }], null);
const hits = (count: number, size: number): Finding[] =>
  Array.from({ length: count }, (_, i) => ({ kind: 'hit', symbol: `S${i}`, strength: 1, evidence: 'é'.repeat(size) }));

test('a report comes back as it was', () => {
  const report = reportOf(hits(3, 10));
  assert.deepEqual(decodeAnswer(entry.id, encodeAnswer({ kind: 'report', report })), { kind: 'report', report });
});

test('a failure comes back with its reason', () => {
  const answer = { kind: 'failed', reason: 'no such entry' } as const;
  assert.deepEqual(decodeAnswer(entry.id, encodeAnswer(answer)), answer);
});

test('a report that is too large loses evidence first', () => {
  const text = encodeAnswer({ kind: 'report', report: reportOf(hits(800, 300)) });
  assert.ok(Buffer.byteLength(text) <= ANSWER_MAX_BYTES);
  const answer = decodeAnswer(entry.id, text);
  assert.equal(answer?.kind === 'report' && answer.report.findings.length, 800);
});

test('a report that is far too large keeps malware and what has points', () => {
  const malware: Finding = { kind: 'malware', signature: 'Worm.X', part: '' };
  const report = reportOf([...hits(9000, 300), malware]);
  const findings = report.findings.map((finding, i) => (i === 8000 ? { ...finding, points: 5 } : finding));
  const text = encodeAnswer({ kind: 'report', report: { ...report, findings } });
  assert.ok(Buffer.byteLength(text) <= ANSWER_MAX_BYTES);
  const answer = decodeAnswer(entry.id, text);
  assert.equal(answer?.kind, 'report');
  const kept = answer?.kind === 'report' ? answer.report.findings : [];
  assert.equal(kept[0]?.kind, 'malware');
  assert.equal(kept[1]?.points, 5);
});

test('an answer that stays in the process has the same bounds', () => {
  const small = { kind: 'report', report: reportOf(hits(3, 10)) } as const;
  assert.equal(boundedAnswer(small), small);
  for (const [count, size] of [
    [1, 100_000],
    [900, 300],
    [9000, 300],
  ] as const) {
    const large = { kind: 'report', report: reportOf(hits(count, size)) } as const;
    assert.deepEqual(boundedAnswer(large), decodeAnswer(entry.id, encodeAnswer(large)));
  }
});

for (const [name, text] of [
  ['no JSON', '{'],
  ['null', 'null'],
  ['a number', '7'],
  ['another kind', '{"kind":"other"}'],
  ['the report of another message', encodeAnswer({ kind: 'report', report: reportOf([]) }).replace(entry.id, newId())],
  ['a report without findings', `{"kind":"report","report":{"version":1,"id":"${entry.id}"}}`],
] as const) {
  test(`${name} is no answer`, () => {
    assert.equal(decodeAnswer(entry.id, text), null);
  });
}
