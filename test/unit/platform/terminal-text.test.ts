import assert from 'node:assert/strict';
import { test } from 'node:test';

import { safeLine, safeText } from '../../../src/platform/terminal-text.ts';

const LINES: readonly { text: string; shown: string; why: string }[] = [
  { text: 'plain, ünïcode, 漢字, 😀', shown: 'plain, ünïcode, 漢字, 😀', why: 'what people write stays' },
  { text: '\x1b[31mred\x1b[0m', shown: '\\x1b[31mred\\x1b[0m', why: 'colours' },
  { text: '\x1b]0;title\x07', shown: '\\x1b]0;title\\x07', why: 'the window title' },
  { text: '\u009b2J', shown: '\\x9b2J', why: 'the 8-bit form of an escape sequence' },
  { text: 'a\r\nb\tc', shown: 'a\\x0d\\x0ab\\x09c', why: 'a line stays one line' },
  { text: 'exe\u202egpj', shown: 'exe\\u202egpj', why: 'the reading order' },
  { text: 'a\u2028b\u200bc\ufeff', shown: 'a\\u2028b\\u200bc\\ufeff', why: 'line separators and invisible characters' },
  { text: 'a\ud800b', shown: 'a\\ud800b', why: 'half a surrogate pair' },
  { text: '\u{e0041}', shown: '\\u{e0041}', why: 'invisible tags' },
];

for (const { text, shown, why } of LINES) {
  test(`${why}: ${JSON.stringify(text)} is shown as ${shown}`, () => assert.equal(safeLine(text), shown));
}

test('a long line is cut and says how long it was', () => {
  assert.equal(safeLine('x'.repeat(600), 5), 'xxxxx… (600 characters)');
});

test('in text the lines stay', () => {
  assert.equal(safeText('a\r\nb\rc\n\td\x1b', 100), 'a\nb\nc\n\td\\x1b');
  assert.equal(safeText('abc', 2), 'ab\n… (3 characters)');
});
