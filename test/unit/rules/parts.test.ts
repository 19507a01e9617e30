// The small parts: words, address lists, the order of rules.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MAILBOXES_MAX, parseMailboxes } from '../../../src/rules/address-list.ts';
import type { Rule } from '../../../src/rules/model.ts';
import { circles, ordered } from '../../../src/rules/order.ts';
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
  ];
  for (const [text, folded] of cases) assert.equal(fold(text), folded);
});

test('mailboxes are read as a hostile sender might mean them', () => {
  const cases: [string, string[]][] = [
    ['a@b.example', ['a@b.example']],
    ['Ann <A@B.example>', ['a@b.example']],
    ['"a, b" <a@b.example>, c@d.example (Carl)', ['a@b.example', 'c@d.example']],
    ['"x@y.example" <a@b.example>', ['a@b.example']],
    ['<<a@b.example>', ['a@b.example']],
    ['boss@own.example <a@b.example', ['a@b.example']],
    ['boss@own.example, <a@b.example>', ['boss@own.example', 'a@b.example']],
    ['group: a@b.example; c@d.example', ['a@b.example', 'c@d.example']],
    ['Undisclosed', []],
    ['', []],
    ['"unclosed <a@b.example>', ['a@b.example']],
    ['a@b@c.example', ['a@b@c.example']],
  ];
  for (const [text, addresses] of cases)
    assert.deepEqual(
      parseMailboxes(text).map(box => box.address),
      addresses,
      text,
    );
  assert.equal(parseMailboxes('a@b.example,'.repeat(10_000)).length, MAILBOXES_MAX);
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
