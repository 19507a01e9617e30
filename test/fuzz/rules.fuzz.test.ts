// Whatever stands in a rule file, reading it gives a set or problems with places, and throws nothing: real rule
// files, damaged.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { problemText } from '../../src/platform/problem.ts';
import { compileRules } from '../../src/rules/compile.ts';
import { contextOf, messageOf } from '../../src/rules/example.ts';
import { lintTexts } from '../../src/rules/load.ts';
import { parsePattern, sampleOf } from '../../src/rules/pattern.ts';
import { chance, rounds } from '../support/chance.ts';

const ROUNDS = rounds(300);
const RULES = join(import.meta.dirname, '../../rules');
const PIECES = [
  'rules:',
  'groups:',
  '  AA:',
  ' when: ',
  '{',
  '}',
  '[',
  ']',
  ': ',
  ', ',
  "'",
  '"',
  '\n',
  '\n    ',
  '- ',
  '/a/i',
  '/(',
  '> 5',
  'exists',
  'missing',
  'own',
  'not: ',
  'all: ',
  'any: ',
  'at-least: 2',
  'of: ',
  'found: ',
  'link: ',
  'from.domain: ',
  'header X: ',
  'header : ',
  'count: ',
  'words: ',
  'in: ',
  '__proto__: ',
  'constructor: ',
  'toString',
  '&a ',
  '*a',
  '!!binary x',
  'null',
  '~',
  '1e999',
  '.nan',
  '-0',
  '? ',
  '| ',
  '# ',
  '%',
  '@',
  '\t',
  '\u0000',
  '\ud800',
  'é',
  '🎁',
  'SPF_FAIL',
  'points: ',
  'examples: ',
  'hit: ',
  'miss: ',
  'message: ',
];

/** So that whole rules are sound: the symbols and groups that they name. */
const KNOWN = [
  { folder: 0, file: 'scores.yaml', text: readFileSync(join(RULES, 'scores.yaml'), 'utf8') },
  {
    folder: 0,
    file: 'groups.yaml',
    text: `groups:\n${['HEADER_FAULTS', 'SUBJECT_STYLE', 'SCAM_WORDS', 'OBFUSCATION', 'LINK_TRICKS', 'ATTACHMENT_KINDS', 'HONEST_MARKS'].map(name => `  ${name}: {cap: 5}\n`).join('')}`,
  },
];

test('a damaged rule file gives a set or problems with places', t => {
  const { below, pick } = chance(t);
  const rules = readdirSync(RULES)
    .filter(name => name.endsWith('.yaml'))
    .flatMap(name =>
      readFileSync(join(RULES, name), 'utf8')
        .split(/\n(?= {2}[A-Z])/)
        .slice(1),
    );
  let taken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let text = `rules:\n${pick(rules)}\n${pick(rules)}`;
    for (let damage = below(4); damage > 0; damage--) {
      const at = below(text.length);
      text = text.slice(0, at) + pick(PIECES) + text.slice(at + below(8));
    }
    const { source, problems } = lintTexts([...KNOWN, { folder: 1, file: 'a.yaml', text }]);
    assert.equal(source === null, problems.length > 0, text);
    for (const problem of problems) assert.match(problemText(problem), /^a\.yaml:\d+:\d+: \S/, text);
    if (source === null) continue;
    taken += 1;
    compileRules(structuredClone(source)).match(
      messageOf({ subject: 'a', text: 'b', link: 'https://a.example/' }),
      contextOf({}),
    );
  }
  assert.ok(taken > 0, 'no file was taken: the damage is too great to find anything');
});

test('rubbish gives problems, and never anything else', t => {
  const { next, text: words } = chance(t);
  for (let round = 0; round < ROUNDS; round++) {
    const text = (next() < 0.7 ? 'rules:\n  AA:\n    when: ' : '') + words(PIECES, 14);
    const { source, problems } = lintTexts([{ folder: 0, file: 'a.yaml', text }]);
    assert.equal(source === null, problems.length > 0, text);
  }
});

test('the reader of patterns follows whatever the engine accepts', t => {
  const { next, below, pick } = chance(t);
  const bits = [
    'a',
    '.',
    '\\w',
    '\\1',
    '(',
    ')',
    '(?:',
    '(?=',
    '(?<n>',
    '[',
    ']',
    '[^',
    '-',
    '*',
    '+',
    '?',
    '{2}',
    '{2,}',
    '{,3}',
    '|',
    '^',
    '$',
    '\\',
    '\\b',
    '\\u0041',
    '\\p{L}',
    '}',
    '\\]',
    '\\k<n>',
    '(?i:',
  ];
  for (let round = 0; round < ROUNDS * 20; round++) {
    let source = '';
    for (let i = 1 + below(10); i > 0; i--) source += pick(bits);
    const flags = next() < 0.3 ? 'u' : '';
    try {
      new RegExp(source, flags);
    } catch {
      continue;
    }
    assert.ok(sampleOf(parsePattern(source, flags)).length < 100_000, source);
  }
});
