// Addresses of any bytes: nothing throws, what is accepted reads back the same, and none can leave its line or its angle
// brackets.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PATH_MAX, parseAddress, parsePath } from '../../src/mail/address.ts';
import { chance, rounds } from '../support/chance.ts';

const PIECES = [
  ...'abZ09.@"\\<>:,;[]() \t\r\n\0+-_%=/',
  'example.com',
  '@example.com',
  '"@example.com',
  '[192.0.2.1]',
  '[IPv6:',
  '2001:db8::1]',
  'postmaster',
  '\u0085',
  '\u2028',
  '\u202e',
  'ü',
  '漢',
  '\ud800',
  '\udc00',
  '😀',
  'xn--',
  '%41',
  '\\"',
  ' SIZE=1',
  'a'.repeat(100),
];

test('addresses of chance', t => {
  const luck = chance(t);
  let accepted = 0;
  for (let i = 0; i < rounds(30_000); i++) {
    const text = luck.text(PIECES, 12);
    const address = parseAddress(text);
    if (address === null) continue;
    accepted++;
    const said = JSON.stringify(text);
    assert.ok(text.length <= PATH_MAX);
    assert.doesNotMatch(address.text, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/, said);
    assert.ok(address.text.isWellFormed(), said);
    assert.doesNotMatch(address.domain, /[^a-z0-9._\-[\]:A-F]/i, said);
    // The same address from what we write, and alone between its brackets.
    assert.deepEqual(parseAddress(address.text), address, said);
    assert.deepEqual(parsePath(`<${address.text}> SIZE=1`), { mailbox: address.text, parameters: 'SIZE=1' }, said);
  }
  assert.ok(accepted > rounds(100), `only ${accepted} were addresses`);
});

test('paths of chance', t => {
  const luck = chance(t);
  let accepted = 0;
  for (let i = 0; i < rounds(30_000); i++) {
    const raw = `${luck.pick(['', ' '])}<${luck.text(PIECES, 8)}>${luck.text(PIECES, 3)}`;
    const path = parsePath(raw);
    if (path === null) continue;
    accepted++;
    assert.ok(raw.includes(path.mailbox) && raw.includes(path.parameters), JSON.stringify(raw));
  }
  assert.ok(accepted > rounds(100));
});
