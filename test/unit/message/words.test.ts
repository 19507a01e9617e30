import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeWords, unfold } from '../../../src/message/words.ts';

const FOLDS: readonly (readonly [string, string, string])[] = [
  ['a fold is one blank', 'one\r\n two\r\n\t three', 'one two three'],
  ['LF alone folds as well', 'one\n two', 'one two'],
  ['white space around the value goes', ' \t one \r\n ', 'one'],
  ['NUL and other controls are not shown', 'vi\0ag\x07ra', 'viagra'],
  ['a bare CR separates', 'one\rtwo', 'one two'],
  ['a byte A0 is no white space', '\xc3\xa0', '\xc3\xa0'],
];

for (const [name, raw, expected] of FOLDS) {
  test(`unfolding: ${name}`, () => assert.equal(unfold(raw), expected));
}

const WORDS: readonly (readonly [string, string, string])[] = [
  ['Q', '=?iso-8859-1?q?K=F6ln_am?= Rhein', 'Köln am Rhein'],
  ['B in lower and upper case', '=?UTF-8?b?w6Q=?= =?utf-8?B?w7Y=?=', 'äö'],
  ['blanks between words go, others stay', 'a =?utf-8?q?b?=  =?utf-8?q?c?= d', 'a bc d'],
  ['a character split between two words', '=?utf-8?q?=C3?= =?utf-8?q?=A4?=', 'ä'],
  ['a character split between B and Q', '=?utf-8?b?ww==?= =?utf-8?q?=A4?=', 'ä'],
  ['base64 cut between two words', '=?utf-8?b?w6T?= =?utf-8?b?DpA==?=', 'ää'],
  ['two words of ISO-2022-JP', '=?iso-2022-jp?b?GyRCJCIbKEI=?= =?iso-2022-jp?b?GyRCJCIbKEI=?=', 'ああ'],
  ['words of two charsets', '=?utf-8?q?=C3=A4?= =?iso-8859-1?q?=F6?=', 'äö'],
  ['a language', '=?us-ascii*en-us?q?hello?=', 'hello'],
  ['blanks within a word', '=?utf-8?q?hello world?=', 'hello world'],
  ['a word right after text', 'x=?utf-8?q?y?=z', 'xyz'],
  ['an unknown charset', '=?nonsense?q?=E4?=', 'ä'],
  ['no words', 'a =? b ?= c', 'a =? b ?= c'],
  ['an open word', '=?utf-8?q?abc', '=?utf-8?q?abc'],
  ['an unknown encoding', '=?utf-8?x?abc?=', '=?utf-8?x?abc?='],
  ['an empty word', 'a=?utf-8?q??=b', 'ab'],
  ['line ends inside a word make no second field', '=?utf-8?q?a=0D=0ABcc:_b=00?=', 'a Bcc: b'],
  ['UTF-8 without words', '\xc3\xa4', 'ä'],
];

for (const [name, text, expected] of WORDS) {
  test(`encoded words: ${name}`, () => assert.equal(decodeWords(text), expected));
}
