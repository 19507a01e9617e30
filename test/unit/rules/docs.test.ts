// docs/rules.md tells no tales: every example in it is taken by the real reader, beside the shipped rules, and every
// target and test of the language stands in it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { problemText } from '../../../src/platform/problem.ts';
import { RULE_KEYS } from '../../../src/rules/file.ts';
import { lintTexts, type RuleText } from '../../../src/rules/load.ts';
import { THINGS, VALUES } from '../../../src/rules/targets.ts';

const ROOT = join(import.meta.dirname, '../../..');
const page = readFileSync(join(ROOT, 'docs/rules.md'), 'utf8');
const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(match => match[1] ?? '');

test('the page has examples', () => assert.ok(examples.length >= 20));

for (const [index, example] of examples.entries()) {
  test(`example ${index + 1} of docs/rules.md works: ${example.split('\n').slice(0, 2).join(' ')}`, () => {
    const text = example.startsWith('when:') ? wrapped(example) : example;
    const { problems } = lintTexts([...shipped(), { folder: 1, file: 'docs/rules.md', text }]);
    assert.deepEqual(problems.map(problemText), []);
  });
}

test('every target, field and key of a rule stands on the page', () => {
  const names = [
    ...Object.keys(VALUES),
    ...Object.keys(THINGS),
    ...Object.values(THINGS).flatMap(thing => Object.keys(thing.fields)),
    ...RULE_KEYS,
  ];
  const absent = [...new Set(names)].filter(name => !page.includes(`\`${name}\``) && !page.includes(`${name}:`));
  assert.deepEqual(absent, []);
});

function wrapped(example: string): string {
  return `rules:\n  EXAMPLE:\n    about: x\n    points: 1\n${example.replace(/^/gm, '    ')}`;
}

/** Without their examples: they are run elsewhere. */
function shipped(): RuleText[] {
  const names = [
    'scores.yaml',
    ...readdirSync(join(ROOT, 'rules')).filter(name => /^(?:subjects|scams)\.yaml$/.test(name)),
  ];
  return names.map(name => ({ folder: 0, file: name, text: readFileSync(join(ROOT, 'rules', name), 'utf8') }));
}
