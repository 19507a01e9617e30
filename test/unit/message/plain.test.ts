import assert from 'node:assert/strict';
import { test } from 'node:test';

import { foldText, urlsInText } from '../../../src/message/plain.ts';

const FOLDED: readonly (readonly [name: string, text: string, expected: string])[] = [
  ['a line end within a paragraph is a blank', 'one\ntwo', 'one two'],
  ['an empty line parts', 'one\n\ntwo', 'one\ntwo'],
  ['so do several, and blank ones', 'one\n \n\t\n\ntwo', 'one\ntwo'],
  ['blanks are folded', ' one \t  two\u00a0three ', 'one two three'],
  ['blanks at line ends go', 'one  \n  two', 'one two'],
  ['blanks around a paragraph go', 'one \n\n  two', 'one\ntwo'],
  ['nothing', ' \n\n ', ''],
];

for (const [name, text, expected] of FOLDED) {
  test(`paragraphs: ${name}`, () => assert.equal(foldText(text), expected));
}

const URLS: readonly (readonly [text: string, urls: readonly string[]])[] = [
  ['see http://a.example/x?y=1#z.', ['http://a.example/x?y=1#z']],
  ['(https://a.example/x)', ['https://a.example/x']],
  ['https://a.example/x_(y)', ['https://a.example/x_(y)']],
  ['<http://a.example>,"http://b.example"', ['http://a.example', 'http://b.example']],
  ['www.a.example and WWW2.b.example!', ['www.a.example', 'WWW2.b.example']],
  ['HTTPS://A.example', ['HTTPS://A.example']],
  ['ftp://a.example', ['ftp://a.example']],
  ['xhttp://a awww.b', []],
  ['http://пример.рф/д', ['http://пример.рф/д']],
  ['a.example is no link, nor is a@b.example', []],
  ['http:// www.', ['http://']],
];

for (const [text, urls] of URLS) {
  test(`URLs in ${JSON.stringify(text)}`, () => assert.deepEqual(urlsInText(text, 100), urls));
}

test('no more URLs than asked for', () => assert.equal(urlsInText('www.a.b '.repeat(100), 7).length, 7));
