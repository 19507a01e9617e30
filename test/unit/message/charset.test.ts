import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeCharset, decodeUnnamed } from '../../../src/message/charset.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

const CASES: readonly { readonly name: string; charset: string; from: Buffer; text: string; isKnown: boolean }[] = [
  { name: 'ASCII needs no charset', charset: '', from: bytes('hello'), text: 'hello', isKnown: true },
  { name: 'UTF-8', charset: 'UTF-8', from: Buffer.from('grüße'), text: 'grüße', isKnown: true },
  { name: 'a byte order mark is no text', charset: 'utf-8', from: Buffer.from('\ufeffä'), text: 'ä', isKnown: true },
  {
    name: 'damaged UTF-8 keeps the rest',
    charset: 'utf-8',
    from: bytes('\xc3\xa4\xff'),
    text: 'ä\ufffd',
    isKnown: true,
  },
  { name: 'no charset, UTF-8 bytes', charset: '', from: Buffer.from('ä'), text: 'ä', isKnown: true },
  { name: 'no charset, other bytes', charset: '', from: bytes('\xe4\x80'), text: 'ä€', isKnown: true },
  { name: 'UTF-8 that says ISO-8859-1', charset: 'iso-8859-1', from: Buffer.from('ä'), text: 'ä', isKnown: true },
  { name: 'ISO-8859-1 means windows-1252', charset: 'ISO-8859-1', from: bytes('\x93\xe4'), text: '“ä', isKnown: true },
  { name: 'KOI8-R', charset: 'koi8-r', from: bytes('\xf0\xf2'), text: 'ПР', isKnown: true },
  { name: 'GB2312', charset: 'gb2312', from: bytes('\xc4\xe3'), text: '你', isKnown: true },
  { name: 'ISO-2022-JP', charset: 'iso-2022-jp', from: bytes('\x1b$B$"\x1b(B'), text: 'あ', isKnown: true },
  { name: 'a code page', charset: 'cp437', from: bytes('\x84'), text: 'ä', isKnown: true },
  { name: 'UTF-16 with a mark', charset: 'utf-16le', from: bytes('\xff\xfea\0b\0'), text: 'ab', isKnown: true },
  { name: 'UTF-7', charset: 'utf-7', from: bytes('+AGEAYg-c+-d +2D3cqQ-'), text: 'abc+d 💩', isKnown: true },
  { name: 'blanks around the name', charset: ' Utf-8 ', from: Buffer.from('ä'), text: 'ä', isKnown: true },
  { name: 'an unknown name', charset: 'klingon', from: Buffer.from('ä'), text: 'ä', isKnown: false },
  { name: 'an unknown name, ASCII bytes', charset: 'klingon', from: bytes('a'), text: 'a', isKnown: false },
  { name: 'an encoding is no charset', charset: 'base64', from: bytes('\xe4'), text: 'ä', isKnown: false },
  { name: 'a property of objects', charset: '__proto__', from: bytes('\xe4'), text: 'ä', isKnown: false },
  { name: 'a very long name', charset: 'x'.repeat(10_000), from: bytes('\xe4'), text: 'ä', isKnown: false },
];

for (const { name, charset, from, text, isKnown } of CASES) {
  test(`charset: ${name}`, () => assert.deepEqual(decodeCharset(from, charset), { text, isKnown }));
}

test('UTF-7 that ends within a shift, or has rubbish in it, gives what there is', () => {
  assert.equal(decodeCharset(bytes('+AGE'), 'utf-7').text, 'a');
  assert.equal(decodeCharset(bytes('+AGE!b+'), 'utf-7').text, 'a!b');
});

test('bytes without a charset are UTF-8, or else windows-1252', () => {
  assert.equal(decodeUnnamed(Buffer.from('é')), 'é');
  assert.equal(decodeUnnamed(bytes('\xe9')), 'é');
});
