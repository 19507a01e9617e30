import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeBase64, decodeQuotedPrintable, decodeTransfer } from '../../../src/message/transfer.ts';

const BASE64: readonly { readonly name: string; readonly encoded: string; readonly decoded: string }[] = [
  { name: 'whole groups', encoded: 'QUJDREVG', decoded: 'ABCDEF' },
  { name: 'one byte at the end', encoded: 'QUJDRA==', decoded: 'ABCD' },
  { name: 'two bytes at the end', encoded: 'QUJDREU=', decoded: 'ABCDE' },
  { name: 'no padding', encoded: 'QUJDREU', decoded: 'ABCDE' },
  { name: 'line ends anywhere', encoded: 'QU\r\nJDR\nEVG\r\n', decoded: 'ABCDEF' },
  { name: 'rubbish between', encoded: 'Q!U*J \0D', decoded: 'ABC' },
  { name: 'the URL-safe alphabet', encoded: '-_-_', decoded: '\xfb\xff\xbf' },
  { name: 'two encodings one after the other', encoded: 'QUI=QUJDRA==', decoded: 'ABABCD' },
  { name: 'a lone character holds no byte', encoded: 'QUJDR', decoded: 'ABC' },
  { name: 'padding alone', encoded: '====', decoded: '' },
  { name: 'nothing', encoded: '', decoded: '' },
];

for (const { name, encoded, decoded } of BASE64) {
  test(`base64: ${name}`, () => {
    assert.equal(decodeBase64(Buffer.from(encoded, 'latin1')).toString('latin1'), decoded);
  });
}

test('base64 agrees with Node on every length', () => {
  for (let length = 0; length < 100; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 0xff));
    assert.deepEqual(decodeBase64(Buffer.from(bytes.toString('base64'))), bytes);
  }
});

const QUOTED: readonly { readonly name: string; readonly encoded: string; readonly decoded: string }[] = [
  { name: 'escapes in both cases', encoded: '=C3=a4', decoded: '\xc3\xa4' },
  { name: 'soft breaks', encoded: 'one =\r\ntwo=\nthree', decoded: 'one twothree' },
  { name: 'a soft break with padding after it', encoded: 'one= \t \r\ntwo', decoded: 'onetwo' },
  { name: 'a soft break at the end of the part', encoded: 'one=', decoded: 'one' },
  { name: 'white space at the end of a line goes', encoded: 'one \t\r\ntwo  \n', decoded: 'one\r\ntwo\n' },
  { name: 'encoded white space stays', encoded: 'one=20\r\n', decoded: 'one \r\n' },
  { name: 'damage is kept as it stands', encoded: '=XY =4 ==41', decoded: '=XY =4 =A' },
  { name: 'a bare CR is a byte', encoded: 'a\rb', decoded: 'a\rb' },
];

for (const { name, encoded, decoded } of QUOTED) {
  test(`quoted-printable: ${name}`, () => {
    assert.equal(decodeQuotedPrintable(Buffer.from(encoded, 'latin1'), false).toString('latin1'), decoded);
  });
}

test('in an encoded word an underscore is a space and line ends mean nothing', () => {
  assert.equal(decodeQuotedPrintable(Buffer.from('a_b=5F=\r\n c '), true).toString(), 'a b_=\r\n c ');
});

test('identity gives the very bytes', () => {
  const bytes = Buffer.from('=41 QUJD');
  assert.equal(decodeTransfer(bytes, 'identity'), bytes);
});
