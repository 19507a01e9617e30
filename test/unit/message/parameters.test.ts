import assert from 'node:assert/strict';
import { test } from 'node:test';

import { firstToken, parseStructured, rawValue, shownName, textValue } from '../../../src/message/parameters.ts';

const latin1 = (text: string) => Buffer.from(text).toString('latin1');

const HEADS: readonly (readonly [string, string])[] = [
  ['Text/Plain; charset=x', 'text/plain'],
  [' text / html (a comment (nested)) ; a=b', 'text/html'],
  ['(first)text/plain', 'text/plain'],
  ['attachment', 'attachment'],
  ['multipart/mixed boundary=x', 'multipart/mixed'],
  ['', ''],
  ['; a=b', ''],
];

for (const [text, head] of HEADS) {
  test(`the head of ${JSON.stringify(text)} is ${JSON.stringify(head)}`, () => {
    assert.equal(parseStructured(text).head, head);
  });
}

const VALUES: readonly (readonly [string, string, string, string | null])[] = [
  ['a token', 'a/b; name=x.doc', 'name', 'x.doc'],
  ['quotes', 'a/b; name="x y.doc"', 'name', 'x y.doc'],
  ['escaped quotes', 'a/b; name="a\\"b\\\\c"', 'name', 'a"b\\c'],
  ['a path of Windows', 'a/b; name="C:\\temp\\x.doc"', 'name', 'C:\\temp\\x.doc'],
  ['quotes without an end', 'a/b; name="x y.doc', 'name', 'x y.doc'],
  ['blanks without quotes', 'a/b; name=my file (1).doc; x=y', 'name', 'my file (1).doc'],
  ['a token ends at a blank', 'a/b; charset=utf-8 name=x', 'charset', 'utf-8'],
  ['a missing semicolon', 'a/b; charset="utf-8" name=x', 'name', 'x'],
  ['a missing semicolon after the type', 'a/b boundary=x', 'boundary', 'x'],
  ['a comment after the value', 'a/b; charset=us-ascii (plain text)', 'charset', 'us-ascii'],
  ['a comment within a token', 'a/b; boundary=foo(bar)', 'boundary', 'foo'],
  ['blanks around the equals sign', 'a/b; name = x', 'name', 'x'],
  ['a semicolon in quotes', 'a/b; name="a;b=c"; x=y', 'name', 'a;b=c'],
  ['two semicolons', 'a/b;; ;name=x', 'name', 'x'],
  ['the first of two', 'a/b; name=x; name=y', 'name', 'x'],
  ['upper case', 'a/b; NAME=X', 'name', 'X'],
  ['none', 'a/b; x; y', 'name', null],
  ['encoded words', 'a/b; name="=?utf-8?q?=C3=A4?=.doc"', 'name', 'ä.doc'],
  ['bytes of UTF-8', latin1('a/b; name="ä.doc"'), 'name', 'ä.doc'],
  ['RFC 2231 with charset', "a/b; name*=iso-8859-1'en'%E4%20x.doc", 'name', 'ä x.doc'],
  ['RFC 2231 before the plain one', "a/b; name=x; name*=utf-8''%C3%A4", 'name', 'ä'],
  ['RFC 2231 in pieces', 'a/b; name*0="a"; name*1="b.doc"', 'name', 'ab.doc'],
  ['pieces out of order', 'a/b; name*1=b; name*2=c; name*0=a', 'name', 'abc'],
  [
    'ten pieces and more',
    `a/b;${[...'abcdefghijkl'].map((c, i) => `name*${i}=${c}`).join(';')}`,
    'name',
    'abcdefghijkl',
  ],
  ['pieces of both kinds', "a/b; name*0*=utf-8''%C3; name*1*=%A4; name*2=.doc", 'name', 'ä.doc'],
  ['pieces without semicolons', "a/b; name*0*=utf-8''a\n name*1*=b", 'name', 'ab'],
  ['encoded words in pieces', 'a/b; name*0="=?utf-8?q?"; name*1="=C3=A4?="', 'name', 'ä'],
  ['percent signs that are none', "a/b; name*=utf-8''100%zz", 'name', '100%zz'],
];

for (const [name, text, parameter, expected] of VALUES) {
  test(`parameter: ${name}`, () => assert.equal(textValue(parseStructured(text), parameter), expected));
}

test('a boundary in pieces is joined without decoding', () => {
  assert.equal(rawValue(parseStructured('a/b; boundary*0="a="; boundary*1="b"'), 'boundary'), 'a=b');
  assert.equal(rawValue(parseStructured("a/b; charset*=us-ascii'en'utf-8"), 'charset'), 'utf-8');
  assert.equal(rawValue(parseStructured('a/b'), 'boundary'), '');
});

test('names given twice are told', () => {
  assert.deepEqual(parseStructured('a/b; boundary=x; boundary=y').repeated, ['boundary']);
});

test('only so many parameters and pieces are read', () => {
  const many = parseStructured(
    `a/b${';x=y'.repeat(10)}${Array.from({ length: 5000 }, (_, i) => `;n*${i % 999}=a`).join('')}`,
  );
  assert.ok((many.pieces.get('n')?.length ?? 0) <= 200);
  assert.ok(parseStructured(`a/b${Array.from({ length: 5000 }, (_, i) => `;p${i}=a`).join('')}`).values.size <= 300);
});

test('a transfer encoding is its first word', () => {
  assert.equal(firstToken(' (comment) Base64 ; x'), 'base64');
  assert.equal(firstToken(''), '');
});

const SHOWN: readonly (readonly [string | null, string | null])[] = [
  ['a/b\\c.exe', 'c.exe'],
  ['../../etc/passwd', 'passwd'],
  [' x\0\r\n.doc ', 'x.doc'],
  ['folder/', null],
  ['', null],
  [null, null],
  [`${'x'.repeat(1000)}.exe`, `${'x'.repeat(234)}…${'x'.repeat(16)}.exe`],
];

for (const [name, expected] of SHOWN) {
  test(`the name ${JSON.stringify(name)?.slice(0, 30)} is shown as a client would`, () => {
    assert.equal(shownName(name, 255), expected);
  });
}
