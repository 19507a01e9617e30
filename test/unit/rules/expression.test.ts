// Expressions: which are taken, which are refused, and that slow ones are found by measuring.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { judgeExpression, PATTERN_MAX, parseExpression } from '../../../src/rules/expression.ts';
import { parsePattern, sampleOf } from '../../../src/rules/pattern.ts';

function faultOf(text: string, isText = true): string {
  const parsed = parseExpression(text);
  return 'message' in parsed ? parsed.message : (judgeExpression(parsed, isText)?.message ?? '');
}

test('literals are read with their flags', () => {
  assert.deepEqual(parseExpression('/a\\/b/is'), { source: 'a\\/b', flags: 'is' });
  for (const text of ['/', '/a', '//', '//i', '/a/g', '/a/ii', '/(/', '/[/', '/(?i)a/', '/a++/', '/*/']) {
    assert.notEqual(faultOf(text), '', text);
  }
  assert.match(faultOf(`/${'a'.repeat(PATTERN_MAX + 1)}/`), /characters/);
});

test('what matches every text is refused', () => {
  for (const text of ['/.*/', '/a|/', '/(?:)/', '/x*/', '/^/', '/(?!zzz)/'])
    assert.match(faultOf(text), /every text/, text);
  assert.equal(faultOf('/^$/'), '');
});

test('slow expressions are found by measuring', () => {
  const slow = [
    '/(a+)+$/',
    '/^(\\w+\\s?)+$/',
    '/(x+x+)+y/',
    '/(?:a|aa)+b/',
    '/urgent.*money/',
    '/\\s+$/',
    '/[\\w.]+@[\\w.]+\\.com/',
    '/(.+)*z/s',
    '/(?=(a+)+$)a/',
  ];
  for (const text of slow) assert.match(faultOf(text), /is slow: over 40 ms/, text);
});

test('quick expressions are taken', () => {
  const quick = [
    '/urgent.{0,100}money/is',
    '/\\b(?:act|click) now\\b/i',
    '/^From:.*foo/m',
    '/[\\u0400-\\u04ff]{3}/u',
    '/<a\\b[^>]{0,200}href/i',
    '/(\\w)\\1{5}/',
    '/(?<!no )spam/',
  ];
  for (const text of quick) assert.equal(faultOf(text), '', text);
});

test('a header is short: what is too slow for a text may do for it', () => {
  assert.match(faultOf('/urgent.*money/', true), /slow/);
  assert.equal(faultOf('/urgent.*money/', false), '');
});

test('samples match the pattern they are made of', () => {
  for (const source of [
    'abc',
    'a|b',
    '(?:ab)+c',
    '[^a-z]x',
    '\\d{3}-\\w',
    'a{2,3}?b',
    '(?<n>q)r',
    '\\bfoo\\b',
    '[\\]]x',
    '\\u0041',
    'a.c',
    '(?=a)ab',
    '\\s\\S',
  ]) {
    assert.match(sampleOf(parsePattern(source, '')), new RegExp(`^(?:${source})$`), source);
  }
});
