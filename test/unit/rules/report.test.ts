// From findings to the report: points, strengths, groups, effects, and the rules that wait for findings.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Finding, hit, unavailable } from '../../../src/mail/finding.ts';
import { compileRules } from '../../../src/rules/compile.ts';
import { contextOf, messageOf } from '../../../src/rules/example.ts';
import { createCombine } from '../../../src/rules/report.ts';
import { warmRules } from '../../../src/rules/warm.ts';
import { entryOf, judge, ruleSet, symbols } from '../../support/rules.ts';

const SCORES = `
rules:
  SPF_FAIL: {about: SPF, points: 2}
  LISTED: {about: On a list, points: 4, group: LISTS}
  LISTED_TOO: {about: On another list, points: 3, group: LISTS}
  GOOD: {about: Known, points: -3, group: LISTS}
  BETTER: {about: Well known, points: -2, group: LISTS}
  OFF: {about: Switched off, points: 9, enabled: false}
groups:
  LISTS: {cap: 5, floor: -4}
`;

test('points are those of the symbol times the strength of the finding', () => {
  const report = judge(ruleSet(SCORES), {}, [hit('SPF_FAIL', 'no', 0.25)]);
  assert.equal(report.score, 0.5);
  assert.deepEqual(report.findings, [
    { kind: 'hit', symbol: 'SPF_FAIL', strength: 0.25, evidence: 'no', scanner: 'other', points: 0.5, effect: null },
  ]);
});

test('a strength out of range is brought into it', () => {
  const set = ruleSet(SCORES);
  for (const [strength, score] of [
    [7, 2],
    [-1, 0],
    [Number.NaN, 0],
    [Number.POSITIVE_INFINITY, 0],
  ] as const) {
    assert.equal(judge(set, {}, [{ ...hit('SPF_FAIL'), strength }]).score, score, String(strength));
  }
});

test('a symbol counts once, at its greatest strength', () => {
  const report = judge(ruleSet(SCORES), {}, [hit('SPF_FAIL', '', 0.5), hit('SPF_FAIL'), hit('SPF_FAIL')]);
  assert.deepEqual(
    report.findings.map(one => one.points),
    [0, 2, 0],
  );
  assert.equal(report.score, 2);
});

test('a group adds no more than its cap and takes no more than its floor', () => {
  const report = judge(ruleSet(SCORES), {}, [hit('LISTED'), hit('LISTED_TOO'), hit('GOOD'), hit('BETTER')]);
  assert.deepEqual(
    report.findings.map(one => one.points),
    [4, 1, -3, -1],
  );
  assert.equal(report.score, 1);
});

test('what has no points, is switched off or is no hit stands in the report with 0', () => {
  const findings: Finding[] = [
    hit('NEVER_HEARD'),
    hit('OFF'),
    unavailable('clamav', 'gone'),
    { kind: 'malware', signature: 'X', part: '' },
  ];
  const report = judge(ruleSet(SCORES), {}, findings);
  assert.deepEqual(
    report.findings.map(one => one.points),
    [0, 0, 0, 0],
  );
  assert.equal(report.score, 0);
});

test('scores are rounded to two decimals and never minus zero', () => {
  const set = ruleSet(
    'rules: {AA: {about: x, points: 0.1}, BB: {about: x, points: 0.2}, CC: {about: x, points: -0.3}}',
  );
  assert.equal(judge(set, {}, [hit('AA'), hit('BB')]).score, 0.3);
  assert.ok(Object.is(judge(set, {}, [hit('AA'), hit('BB'), hit('CC')]).score, 0));
});

test('an effect stands at its hit', () => {
  const set = ruleSet(
    'rules: {AA: {about: x, effect: reject, when: {subject: /a/}}, BB: {about: x, points: 1, effect: discard, when: {subject: /b/}}}',
  );
  const report = judge(set, { subject: 'a' });
  assert.deepEqual(
    report.findings.map(one => one.effect),
    ['reject'],
  );
});

test('a rule of the message and of findings is decided on the main thread', () => {
  const set = ruleSet(
    SCORES,
    'rules: {FORGED: {about: x, points: 3, strength: 0.5, when: {found: SPF_FAIL, subject: /bank/i}}}',
  );
  const report = judge(set, { subject: 'Your Bank' }, [hit('SPF_FAIL')]);
  assert.deepEqual(symbols(report), ['SPF_FAIL', 'FORGED']);
  assert.equal(report.score, 3.5);
  assert.equal(report.findings[1]?.scanner, 'rules');
  assert.deepEqual(symbols(judge(set, { subject: 'Your Bank' })), []);
  assert.deepEqual(symbols(judge(set, { subject: 'Other' }, [hit('SPF_FAIL')])), ['SPF_FAIL']);
});

test('domains of authentication results come from the findings', () => {
  const set = ruleSet('rules: {OURS: {about: x, points: 1, when: {dkim: {result: pass, domain: own}}}}');
  const auth = (properties: Record<string, string>): Finding => ({
    kind: 'auth',
    method: 'dkim',
    result: 'pass',
    properties,
    comment: '',
  });
  assert.deepEqual(symbols(judge(set, {}, [auth({ 'header.d': 'Own.Example' })])), ['OURS']);
  assert.deepEqual(symbols(judge(set, {}, [auth({ 'header.d': 'x.example', 'header.i': '@own.example' })])), []);
});

test('without the word of the thread rules that ask about the message are silent', () => {
  const set = ruleSet(
    SCORES,
    `rules:
  NO_LIST: {about: x, points: 1, when: {found: SPF_FAIL, header List-Id: missing}}
  SPF_ONLY: {about: x, points: 1, when: {all: [SPF_FAIL, {not: LISTED}]}}`,
  );
  const runs = [{ scanner: 'other', ms: 0, findings: [hit('SPF_FAIL')] }];
  assert.deepEqual(symbols(createCombine(set, [])(entryOf({}), runs, null)), ['SPF_FAIL', 'SPF_ONLY']);
  assert.deepEqual(symbols(judge(set, {}, [hit('SPF_FAIL')])).sort(), ['NO_LIST', 'SPF_FAIL', 'SPF_ONLY']);
});

test('the word of a thread with another set is not mixed with this one', () => {
  const set = ruleSet(SCORES);
  const runs = [{ scanner: 'rules', ms: 0, findings: [], facts: { digest: 'another', holds: [] } }];
  const report = createCombine(set, [])(entryOf({}), runs, null);
  assert.deepEqual(
    report.findings.map(one => one.kind),
    ['unavailable'],
  );
});

test('a set copied to another thread is the same set', () => {
  const set = ruleSet(SCORES, 'rules: {AA: {about: x, points: 1, when: {subject: /a/i, found: SPF_FAIL}}}');
  const copy = compileRules(structuredClone(set.source));
  assert.equal(copy.digest, set.digest);
  const pieces = { subject: 'A' };
  assert.deepEqual(copy.match(messageOf(pieces), contextOf(pieces)), set.match(messageOf(pieces), contextOf(pieces)));
});

test('the digest changes with what is judged, not with comments', () => {
  const digests = [
    'rules: {AA: {about: x, points: 1}}',
    '# more\nrules:\n  AA: {about: x, points: 1}\n',
    'rules: {AA: {about: x, points: 2}}',
  ].map(text => ruleSet(text).digest);
  assert.match(digests[0] ?? '', /^[0-9a-f]{12}$/);
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

test('times of scanners add up, and warming leaves no trace', () => {
  const set = ruleSet(SCORES);
  warmRules(set);
  assert.deepEqual(judge(set, {}).ms, { rules: 1, other: 2 });
});
