import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EVIDENCE_MAX, evidence, hit, unavailable, unscannable } from '../../../src/mail/finding.ts';

const CASES: readonly [text: string, kept: string][] = [
  ['plain', 'plain'],
  ['  around  ', 'around'],
  ['two\r\nlines', 'two lines'],
  ['a\u0000\u001b[2Jb', 'a [2Jb'],
  ['a\u0085\u2028\u2029b', 'a b'],
  ['', ''],
  ['\r\n', ''],
  ['ünïcode', 'ünïcode'],
];

for (const [text, kept] of CASES) {
  test(`evidence of ${JSON.stringify(text)} is ${JSON.stringify(kept)}`, () => assert.equal(evidence(text), kept));
}

test('evidence is never longer than its limit', () => {
  assert.equal(evidence('x'.repeat(EVIDENCE_MAX)).length, EVIDENCE_MAX);
  const cut = evidence('x'.repeat(EVIDENCE_MAX + 1));
  assert.equal(cut.length, EVIDENCE_MAX);
  assert.ok(cut.endsWith('…'));
});

test('findings clean what they are given', () => {
  assert.deepEqual(hit('X', 'a\nb', 0.5), { kind: 'hit', symbol: 'X', strength: 0.5, evidence: 'a b' });
  assert.deepEqual(hit('X'), { kind: 'hit', symbol: 'X', strength: 1, evidence: '' });
  assert.deepEqual(unavailable('clamav', 'no\nanswer'), {
    kind: 'unavailable',
    scanner: 'clamav',
    reason: 'no answer',
  });
  assert.deepEqual(unscannable('encrypted', 'a\nb.zip'), { kind: 'unscannable', reason: 'encrypted', part: 'a b.zip' });
});
