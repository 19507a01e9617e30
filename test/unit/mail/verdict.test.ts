import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Effect, Report, Stated } from '../../../src/mail/finding.ts';
import { mailId } from '../../../src/mail/mail-id.ts';
import type { Outcome, Policy } from '../../../src/mail/policy.ts';
import { decide } from '../../../src/mail/verdict.ts';

const POLICY: Policy = {
  name: 'default',
  thresholds: { tag: 5, quarantine: 8, reject: 15 },
  malware: 'quarantine',
  unscannable: 'quarantine',
  unavailable: { clamav: 'defer', '*': 'accept' },
};

const base = { scanner: 'rules', points: 0, effect: null } as const;
const malware: Stated = { ...base, kind: 'malware', signature: 'Eicar', part: '', scanner: 'clamav' };
const unscannable: Stated = { ...base, kind: 'unscannable', reason: 'encrypted', part: 'a.zip' };
const silent = (scanner: string): Stated => ({ ...base, kind: 'unavailable', scanner, reason: 'gone' });
const rule = (effect: Effect | null): Stated => ({
  ...base,
  kind: 'hit',
  symbol: 'R',
  strength: 1,
  evidence: '',
  effect,
});

function report(score: number, ...findings: Stated[]): Report {
  return { version: 1, id: mailId(0, new Uint8Array(5)), findings, score, ms: {}, rulesDigest: '', summary: null };
}

interface Case {
  readonly why: string;
  readonly score?: number;
  readonly findings?: readonly Stated[];
  readonly policy?: Partial<Policy>;
  readonly outcome: Outcome;
  readonly cause?: string;
}

const CASES: readonly Case[] = [
  { why: 'nothing found', outcome: 'accept', cause: 'score' },
  { why: 'below the first threshold', score: 4.99, outcome: 'accept' },
  { why: 'at tag', score: 5, outcome: 'tag' },
  { why: 'at quarantine', score: 8, outcome: 'quarantine' },
  { why: 'below reject', score: 14.99, outcome: 'quarantine' },
  { why: 'at reject', score: 15, outcome: 'reject' },
  { why: 'far below zero', score: -1000, outcome: 'accept' },
  { why: 'a score that is no number', score: Number.NaN, outcome: 'accept' },
  { why: 'an endless score', score: Number.POSITIVE_INFINITY, outcome: 'reject' },
  { why: 'malware', findings: [malware], outcome: 'quarantine', cause: 'malware' },
  { why: 'malware by another policy', findings: [malware], policy: { malware: 'reject' }, outcome: 'reject' },
  { why: 'malware is before a higher score', score: 100, findings: [malware], outcome: 'quarantine', cause: 'malware' },
  { why: 'a good score does not save malware', score: -100, findings: [malware], outcome: 'quarantine' },
  { why: 'unscannable', findings: [unscannable], outcome: 'quarantine', cause: 'unscannable' },
  {
    why: 'malware is before unscannable',
    findings: [unscannable, malware],
    policy: { malware: 'discard' },
    outcome: 'discard',
    cause: 'malware',
  },
  { why: 'I8: no virus scanner', findings: [silent('clamav')], outcome: 'defer', cause: 'unavailable' },
  { why: 'I8: no other scanner', findings: [silent('dns-lists')], outcome: 'accept' },
  {
    why: 'a missing scanner does not save certain spam',
    score: 20,
    findings: [silent('dns-lists')],
    outcome: 'reject',
    cause: 'score',
  },
  {
    why: 'of two missing scanners the stricter choice counts',
    findings: [silent('dns-lists'), silent('clamav')],
    outcome: 'defer',
  },
  {
    why: 'unscannable that is let through is judged by score',
    score: 9,
    findings: [unscannable],
    policy: { unscannable: 'accept' },
    outcome: 'quarantine',
    cause: 'score',
  },
  {
    why: 'unscannable tagged, score asks for more',
    score: 20,
    findings: [unscannable],
    policy: { unscannable: 'tag' },
    outcome: 'reject',
    cause: 'score',
  },
  {
    why: 'unscannable tagged, score asks for nothing',
    findings: [unscannable],
    policy: { unscannable: 'tag' },
    outcome: 'tag',
    cause: 'unscannable',
  },
  { why: 'a rule asks to discard', score: 6, findings: [rule('discard')], outcome: 'discard', cause: 'effect' },
  {
    why: 'of two rules the stronger counts',
    findings: [rule('tag'), rule('reject'), rule('quarantine')],
    outcome: 'reject',
  },
  { why: 'a rule that tags does not make spam better', score: 9, findings: [rule('tag')], outcome: 'quarantine' },
  { why: 'a rule without effect', findings: [rule(null)], outcome: 'accept' },
  {
    why: 'missing virus scanner is before a rule that discards',
    findings: [rule('discard'), silent('clamav')],
    outcome: 'defer',
  },
  {
    why: 'a policy that names nothing for it',
    findings: [silent('clamav')],
    policy: { unavailable: {} },
    outcome: 'accept',
  },
  { why: 'a scanner named like a member of Object', findings: [silent('constructor')], outcome: 'accept' },
];

for (const { why, score = 0, findings = [], policy = {}, outcome, cause } of CASES) {
  test(`${why}: ${outcome}`, () => {
    const verdict = decide(report(score, ...findings), { ...POLICY, ...policy });
    assert.equal(verdict.outcome, outcome);
    if (cause !== undefined) assert.equal(verdict.reasons[0]?.cause, cause);
    assert.ok(verdict.reasons.length > 0, 'a verdict without a reason');
    assert.equal(verdict.policy, 'default');
  });
}

test('all causes are told, the one that decided first', () => {
  const verdict = decide(report(9, rule('tag'), malware, silent('dns-lists')), POLICY);
  assert.deepEqual(
    verdict.reasons.map(reason => reason.cause),
    ['malware', 'unavailable', 'effect', 'score'],
  );
  assert.equal(verdict.reasons[0]?.text, 'clamav found Eicar');
});

test('every combination of findings has an outcome, and malware is never accepted or tagged', () => {
  const all = [malware, unscannable, silent('clamav'), silent('x'), rule('tag'), rule('discard'), rule(null)];
  for (let set = 0; set < 1 << all.length; set++) {
    const findings = all.filter((_, i) => (set & (1 << i)) !== 0);
    for (const score of [-1, 0, 5, 8, 15]) {
      const verdict = decide(report(score, ...findings), POLICY);
      assert.ok(verdict.reasons.length > 0);
      if (findings.includes(malware)) assert.equal(verdict.outcome, 'quarantine');
      if (verdict.outcome === 'accept') assert.ok(score < 5 && !findings.includes(unscannable));
    }
  }
});
