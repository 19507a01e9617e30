import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { copyId, isCopyId, isMailId, mailId, mailIdOf, timeOf } from '../../../src/mail/mail-id.ts';

test('ids sort by time, tell it, and are made of safe characters', () => {
  const times = [0, 1, 31, 32, 1_000_000_000_000, 1_800_000_000_000, 32 ** 10 - 1];
  const ids = times.map(time => mailId(time, randomBytes(5)));
  assert.deepEqual([...ids].sort(), ids);
  assert.deepEqual(ids.map(timeOf), times);
  for (const id of ids) assert.match(id, /^[0-9a-z]{18}$/);
  for (const id of ids) assert.ok(isMailId(id));
});

test('all 40 bits of chance are in the id', () => {
  assert.equal(mailId(0, new Uint8Array(5)).slice(10), '00000000');
  assert.equal(mailId(0, new Uint8Array(5).fill(255)).slice(10), 'zzzzzzzz');
  for (let bit = 0; bit < 40; bit++) {
    const random = new Uint8Array(5);
    random[bit >> 3] = 1 << (bit & 7);
    assert.notEqual(mailId(0, random), mailId(0, new Uint8Array(5)));
  }
});

test('fewer than five random bytes are refused', () => {
  assert.throws(() => mailId(0, new Uint8Array(4)), RangeError);
});

test('a copy knows its message', () => {
  const id = mailId(1_800_000_000_000, randomBytes(5));
  for (const index of [0, 9, 99, 9998]) {
    const copy = copyId(id, index);
    assert.ok(isCopyId(copy));
    assert.equal(copy, `${id}-${index + 1}`);
    assert.equal(mailIdOf(copy), id);
  }
});

const ID = '0123456789abcdefgh';
const NO_IDS = [
  '',
  ID.slice(1),
  `${ID}0`,
  ID.toUpperCase(),
  `${ID}\n`,
  'i123456789abcdefgh',
  '../456789abcdefghj',
  `${ID} `,
];
const NO_COPIES = [ID, `${ID}-`, `${ID}-0`, `${ID}-01`, `${ID}-10000`, `${ID}-1\n`, `${ID}-1-1`, `${ID}--1`, `-1`];

for (const text of NO_IDS) test(`${JSON.stringify(text)} is no id`, () => assert.equal(isMailId(text), false));
for (const text of NO_COPIES) test(`${JSON.stringify(text)} is no copy`, () => assert.equal(isCopyId(text), false));
