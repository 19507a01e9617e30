// The small parts: words, the order of rules.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Rule } from '../../../src/rules/model.ts';
import { circles, ordered } from '../../../src/rules/order.ts';
import { fieldSpec, SYNONYMS, thingSpec, valueSpec } from '../../../src/rules/targets.ts';
import { fold } from '../../../src/rules/words.ts';

test('folding leaves words and single spaces', () => {
  const cases: [string, string][] = [
    ['', ' '],
    ['  ...  ', ' '],
    ['Hello,  World!', ' hello world '],
    ['ÄÖÜ ß ﬁn', ' aou ß fin '],
    ["don't DON’T", ' dont dont '],
    ['100% free', ' 100 free '],
    ['Привет', ' привет '],
    ['e\u0301\u0327te\u0301 \u0344', ' ete '],
    ['\ud55c\uae00', ' \u1112\u1161\u11ab\u1100\u1173\u11af '],
    ['\ufdfa', ' \u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645 '],
  ];
  for (const [text, folded] of cases) assert.equal(fold(text), folded);
});

test('a long chain of rules is ordered, and circles are told', () => {
  const rule = (symbol: string, needs: string | null): Rule => ({
    symbol,
    about: '',
    points: 0,
    strength: 1,
    effect: null,
    group: null,
    when: needs === null ? null : { kind: 'found', symbol: needs },
    isEnabled: true,
    file: '',
    line: 1,
  });
  const chain = Array.from({ length: 15_000 }, (_, i) => rule(`R${i}`, i === 14_999 ? null : `R${i + 1}`));
  assert.equal(ordered(chain)[0]?.symbol, 'R14999');
  assert.deepEqual(circles(chain), []);
  assert.deepEqual(circles([rule('A', 'B'), rule('B', 'C'), rule('C', 'B')]), [['B', 'C', 'B']]);
  assert.deepEqual(circles([rule('A', 'A')]), [['A', 'A']]);
});

test('every name that a target has elsewhere leads to a target', () => {
  for (const [elsewhere, target] of SYNONYMS) {
    const [thing = '', field = ''] = target.split('.');
    const spec = thingSpec(thing);
    const isKnown = valueSpec(target) !== null || (spec !== null && (field === '' || fieldSpec(spec, field) !== null));
    assert.ok(isKnown, `${elsewhere}: ${target}`);
    assert.equal(valueSpec(elsewhere) ?? thingSpec(elsewhere), null, `${elsewhere} is a target itself`);
  }
});
