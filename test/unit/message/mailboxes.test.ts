import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MAILBOXES_MAX, parseMailboxes } from '../../../src/message/mailboxes.ts';

/** Addresses that a server would take in their one form, others as they are written. */
const CASES: readonly (readonly [value: string, addresses: readonly string[]])[] = [
  ['a@b.example', ['a@b.example']],
  ['Ann <A@B.example>', ['A@b.example']],
  [' A Name <a@B.example> ', ['a@b.example']],
  ['A <a@bücher.example>', ['a@xn--bcher-kva.example']],
  // Lists and groups.
  ['"Last, First" <a@b.example>, c@d.example', ['a@b.example', 'c@d.example']],
  ['"a, b" <a@b.example>, c@d.example (Carl)', ['a@b.example', 'c@d.example']],
  ['Group: a@b.example, c@d.example;', ['a@b.example', 'c@d.example']],
  ['group: a@b.example; c@d.example', ['a@b.example', 'c@d.example']],
  ['a@b.example: c@d.example;', ['a@b.example', 'c@d.example']],
  // What is no address, though it has an @ in it.
  ['"a@b.example" <c@d.example>', ['c@d.example']],
  ['"x@y.example" <a@b.example>', ['a@b.example']],
  ['a@b.example <c@d.example>', ['c@d.example']],
  ['(x@y.example) a@b.example (z)', ['a@b.example']],
  ['=?utf-8?q?x=40y.example?= <a@b.example>', ['a@b.example']],
  // Unless nothing else is there to be shown.
  ['"a@b.example"', ['a@b.example']],
  ['(a@b.example)', ['a@b.example']],
  ['a@b.example <>', ['a@b.example']],
  ['a@b.example <nobody>', ['a@b.example']],
  // Local parts in quotes, literals, source routes.
  ['"a.b"@c.example', ['a.b@c.example']],
  ['"c d"@e.example', ['"c d"@e.example']],
  ['<"a,b"@c.example>', ['"a,b"@c.example']],
  ['"a@b.example" <"c d"@e.example>', ['"c d"@e.example']],
  ['a@[IPv6:2001:db8::1], b@[192.0.2.1]', ['a@[IPv6:2001:db8::1]', 'b@[192.0.2.1]']],
  ['<@r.example:a@b.example>', ['a@b.example']],
  // Fields that break off, or were never right.
  ['A <a@b.example', ['a@b.example']],
  ['<<a@b.example>', ['a@b.example']],
  ['boss@own.example <a@b.example', ['a@b.example']],
  ['boss@own.example, <a@b.example>', ['boss@own.example', 'a@b.example']],
  ['<a@b.example, c@d.example>', ['a@b.example', 'c@d.example']],
  ['"unclosed <a@b.example>', ['a@b.example']],
  ['"open a@b.example', ['a@b.example']],
  ['(open a@b.example', ['a@b.example']],
  ['(open "x@y.example" <a@b.example>', ['a@b.example']],
  ['a@b@c.example', ['a@b@c.example']],
  ['Undisclosed', []],
  ['nobody', []],
  ['postmaster', []],
  ['<>', []],
  ['', []],
];
for (const [value, addresses] of CASES) {
  test(`the addresses of ${JSON.stringify(value)}`, () => {
    assert.deepEqual(
      parseMailboxes(value).map(({ address, rawAddress }) => address?.text ?? rawAddress),
      addresses,
    );
  });
}

const NAMES: readonly (readonly [value: string, name: string])[] = [
  ['Ann Other <a@b.example>', 'Ann Other'],
  ['"Other, Ann" <a@b.example>', 'Other, Ann'],
  ['"Ann \\"A\\" Other" <a@b.example>', 'Ann "A" Other'],
  ['Dr "Ann" Other (home) <a@b.example>', 'Dr Ann Other'],
  ['a@b.example (Ann (A) Other)', 'Ann (A) Other'],
  ['boss@own.example <a@b.example>', 'boss@own.example'],
  ['"x <y" <a@b.example>', 'x <y'],
  ['a@b.example', ''],
];
for (const [value, name] of NAMES) {
  test(`the name in ${JSON.stringify(value)}`, () => {
    assert.deepEqual(
      parseMailboxes(value).map(box => box.name.replaceAll(/ +/g, ' ')),
      [name],
    );
  });
}

test('many mailboxes are read to a limit, and a long comment hides none', () => {
  assert.equal(parseMailboxes('a@b.example,'.repeat(10_000)).length, MAILBOXES_MAX);
  assert.equal(parseMailboxes(`(${'x'.repeat(60_000)}) a@b.example`)[0]?.address?.text, 'a@b.example');
});

test('what costs some readers quadratic time is read in little', () => {
  const before = process.cpuUsage();
  for (const piece of ['"\\', '(', '((\\', '<', ':', '[:', ';', ',@', '"@', '\\', ' ', '"" ', '()', 'a']) {
    parseMailboxes(piece.repeat(100_000));
  }
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 3_000_000, `${(user + system) / 1000} ms`);
});
