// From folders to one set: order, what a later folder changes, and that a set is taken as a whole or not at all.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { BadFile } from '../../../src/platform/problem.ts';
import { lintRules, lintTexts, loadRules } from '../../../src/rules/load.ts';
import { PROBLEMS_MAX } from '../../../src/rules/place.ts';
import { judge, problemsOf, ruleSet, symbols } from '../../support/rules.ts';

const SHIPPED = `
rules:
  FIRST: {about: The first, points: 1, when: {subject: /a/}, examples: {hit: [a], miss: [b]}}
  SECOND: {about: The second, points: 2, effect: quarantine, when: {subject: /b/}}
  SPF_FAIL: {about: SPF, points: 2}
`;

test('a later folder replaces a rule that it writes anew', () => {
  const set = ruleSet(
    SHIPPED,
    'rules: {FIRST: {about: Mine, points: 5, when: {subject: /c/}, examples: {hit: [c], miss: [a]}}}',
  );
  assert.deepEqual(symbols(judge(set, { subject: 'a' })), []);
  assert.equal(judge(set, { subject: 'c' }).score, 5);
});

test('an entry without `when` changes only what it names', () => {
  const set = ruleSet(SHIPPED, 'rules: {SECOND: {points: 0.5}, SPF_FAIL: {points: 3}}');
  const rule = set.rules.get('SECOND');
  assert.deepEqual([rule?.points, rule?.effect, rule?.about], [0.5, 'quarantine', 'The second']);
  assert.equal(set.rules.get('SPF_FAIL')?.points, 3);
  assert.equal(ruleSet(SHIPPED, 'rules: {SECOND: {effect: none}}').rules.get('SECOND')?.effect, null);
});

test('a rule that is switched off is not run, and switched on again it is', () => {
  const off = 'rules: {FIRST: {enabled: no}}';
  assert.deepEqual(symbols(judge(ruleSet(SHIPPED, off), { subject: 'a' })), []);
  assert.deepEqual(symbols(judge(ruleSet(SHIPPED, off, 'rules: {FIRST: {enabled: yes}}'), { subject: 'a' })), [
    'FIRST',
  ]);
});

test('a changed rule must still pass the examples beside it', () => {
  assert.match(
    problemsOf(SHIPPED, 'rules: {FIRST: {about: Mine, points: 1, when: {subject: /c/}, examples: {hit: [a]}}}'),
    /^1\.yaml:1:.*must hit it/,
  );
});

test('one symbol in two files of a folder is told with both places', () => {
  const texts = ['a', 'b'].map(name => ({
    folder: 0,
    file: `${name}.yaml`,
    text: 'rules: {AA: {about: x, points: 1}}',
  }));
  assert.match(lintTexts(texts).problems[0]?.message ?? '', /AA stands twice, first in a\.yaml:1/);
});

test('what a site changes in a shipped rule is told at the place where the site wrote it', () => {
  assert.match(problemsOf(SHIPPED, 'rules: {SECOND: {group: NO_SUCH}}'), /^1\.yaml:1:\d+: unknown group NO_SUCH/);
  const texts = ['a', 'b'].map(name => ({ folder: 1, file: `${name}.yaml`, text: 'rules: {SECOND: {points: 3}}' }));
  const { problems } = lintTexts([{ folder: 0, file: 'shipped.yaml', text: SHIPPED }, ...texts]);
  assert.deepEqual(
    problems.map(({ file, message }) => `${file}: ${message}`),
    ['b.yaml: the symbol SECOND stands twice, first in a.yaml:1'],
  );
});

test('what lies in an unreadable file is not called unknown', () => {
  const said = problemsOf('rules: {AA: {', 'rules: {BB: {about: x, points: 1, when: AA}}');
  assert.doesNotMatch(said, /unknown symbol/);
});

test('the problems of all files come at once, but not without end', () => {
  const bad = Array.from({ length: 80 }, (_, i) => `  R${i}: {about: x, points: y}`).join('\n');
  const { problems } = lintTexts([
    { folder: 0, file: 'a.yaml', text: `rules:\n${bad}` },
    { folder: 0, file: 'b.yaml', text: 'rules: 7' },
  ]);
  assert.equal(problems.length, PROBLEMS_MAX + 1);
  assert.match(problems.at(-1)?.message ?? '', /^and 31 more problems$/);
});

test('warnings tell what is better mended', () => {
  const text =
    'rules: {AA: {points: 1, when: {subject: /a/}}, BB: {about: x, points: 1, enabled: false, when: {subject: /a/}}, CC: {about: x, points: 1, when: {not: BB}, examples: {hit: [{}], miss: []}}}';
  const { problems, warnings } = lintTexts([{ folder: 0, file: 'a.yaml', text }]);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    warnings.map(one => one.message),
    [
      'AA has no `about`',
      'AA has no example that it must hit',
      'CC needs BB, which is switched off',
      'CC has no example that it must miss',
    ],
  );
});

test('folders are read in the order of file names, and a bad file means no set at all', t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'local'));
  writeFileSync(join(folder, 'a.yaml'), SHIPPED);
  writeFileSync(join(folder, '.hidden.yaml'), 'rules: 7');
  writeFileSync(join(folder, 'notes.txt'), 'rules: 7');
  writeFileSync(join(folder, 'local', 'mine.yaml'), 'rules: {FIRST: {points: 4}}');
  const source = loadRules([folder, join(folder, 'local')]);
  assert.equal(source.rules.find(rule => rule.symbol === 'FIRST')?.points, 4);
  writeFileSync(join(folder, 'b.yaml'), 'rules: 7');
  assert.throws(
    () => loadRules([folder]),
    (error: unknown) => error instanceof BadFile && error.problems[0]?.file === join(folder, 'b.yaml'),
  );
});

test('a folder that is not there, and one without rules, are problems', t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-rules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  assert.match(lintRules([join(folder, 'none')]).problems[0]?.message ?? '', /cannot be read/);
  assert.match(lintRules([folder]).problems[0]?.message ?? '', /no rule file/);
});
