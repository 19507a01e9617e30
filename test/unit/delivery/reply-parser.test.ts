import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GarbledReply, hopReply, ReplyParser } from '../../../src/delivery/reply-parser.ts';

function parse(text: string): unknown[] {
  return new ReplyParser().push(Buffer.from(text)).map(hopReply);
}

const GOOD: readonly [string, string, unknown[]][] = [
  ['a plain reply', '250 Ok\r\n', [{ code: 250, enhanced: null, text: 'Ok' }]],
  ['a code alone', '250\r\n', [{ code: 250, enhanced: null, text: '' }]],
  ['an enhanced status', '550 5.1.1 no such user\r\n', [{ code: 550, enhanced: '5.1.1', text: 'no such user' }]],
  ['an enhanced status alone', '250 2.0.0\r\n', [{ code: 250, enhanced: '2.0.0', text: '' }]],
  ['a status of another class is text', '250 5.1.1 hm\r\n', [{ code: 250, enhanced: null, text: '5.1.1 hm' }]],
  ['an address is no status', '250 2.0.0.1 is me\r\n', [{ code: 250, enhanced: null, text: '2.0.0.1 is me' }]],
  [
    'several lines become one',
    '550-5.7.1 go\r\n550 5.7.1 away\r\n',
    [{ code: 550, enhanced: '5.7.1', text: 'go away' }],
  ],
  ['LF alone ends a line', '250-a\n250 b\n', [{ code: 250, enhanced: null, text: 'a b' }]],
  [
    'controls are removed',
    '250 a\tb\x1b[31m\x7f\u009bc\u202ed\rX\r\n',
    [{ code: 250, enhanced: null, text: 'a b [31m c d X' }],
  ],
  [
    'two replies',
    '250 a\r\n354 b\r\n',
    [
      { code: 250, enhanced: null, text: 'a' },
      { code: 354, enhanced: null, text: 'b' },
    ],
  ],
  ['a line that has not ended', '250 a', []],
  [
    'bytes that are no UTF-8',
    Buffer.from('250 \xff\r\n', 'latin1') as unknown as string,
    [{ code: 250, enhanced: null, text: '\ufffd' }],
  ],
];

for (const [what, input, expected] of GOOD) {
  test(`reads ${what}`, () => assert.deepEqual(parse(input), expected));
}

const BAD: readonly [string, string][] = [
  ['no code', 'hello\r\n'],
  ['an empty line', '\r\n'],
  ['a code of two digits', '25 Ok\r\n'],
  ['a code of four digits', '2500 Ok\r\n'],
  ['a code that no server has', '650 Ok\r\n'],
  ['an informational code', '150 Ok\r\n'],
  ['a code that changes between lines', '250-a\r\n550 b\r\n'],
  ['a line over 2048 bytes', `250 ${'x'.repeat(2048)}\r\n`],
  ['a line over 2048 bytes that never ends', `250 ${'x'.repeat(2048)}`],
  ['over 100 lines', '250-x\r\n'.repeat(101)],
  ['over 64 KB', `250-${'x'.repeat(2000)}\r\n`.repeat(40)],
];

for (const [what, input] of BAD) {
  test(`refuses ${what}`, () => assert.throws(() => parse(input), GarbledReply));
}

test('a reply may come byte by byte', () => {
  const parser = new ReplyParser();
  const replies = [...Buffer.from('250-5.0.0 a\r\n250 b\r\n')].flatMap(byte => parser.push(Uint8Array.of(byte)));
  assert.deepEqual(replies.map(hopReply), [{ code: 250, enhanced: null, text: '5.0.0 a b' }]);
  assert.equal(parser.isEmpty, true);
});

test('what follows a reply without a line end is seen as not empty', () => {
  const parser = new ReplyParser();
  parser.push(Buffer.from('220 go ahead\r\n2'));
  assert.equal(parser.isEmpty, false);
});

test('the limits count for each reply, not for the connection', () => {
  const parser = new ReplyParser();
  for (let i = 0; i < 50; i++) assert.equal(parser.push(Buffer.from(`250-${'x'.repeat(2000)}\r\n250 y\r\n`)).length, 1);
});

test('a text has at most 500 characters and no half of a pair', () => {
  const [reply] = new ReplyParser().push(Buffer.from(`250 ${'x'.repeat(499)}\u{1f600}\r\n`)).map(hopReply);
  assert.equal(reply?.text, `${'x'.repeat(499)}\ufffd`);
});
