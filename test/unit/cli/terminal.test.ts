import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLine, table } from '../../../src/cli/terminal.ts';

const COLUMNS = [{ title: 'ID' }, { title: 'SCORE', align: 'right' }, { title: 'SUBJECT', wraps: true }] as const;

test('columns are as wide as their content, numbers stand to the right, no line ends in blanks', () => {
  const shown = table(
    COLUMNS,
    [
      ['01', '1000.4', 'hello'],
      ['012345', '-1.0', 'hi'],
    ],
    80,
  );
  assert.equal(shown, ['ID       SCORE  SUBJECT', '01      1000.4  hello', '012345    -1.0  hi'].join('\n'));
});

test('the wrapping column gives way, at words, and its lines stand below each other', () => {
  const shown = table(COLUMNS, [['01', '1.0', 'a subject that is longer than there is room for']], 40);
  assert.deepEqual(shown.split('\n'), [
    'ID  SCORE  SUBJECT',
    '01    1.0  a subject that is longer than',
    '           there is room for',
  ]);
});

test('a word longer than the column is cut, and nothing of it is lost', () => {
  const word = 'x'.repeat(100);
  const lines = table(COLUMNS, [['01', '1.0', word]], 60).split('\n');
  assert.ok(lines.every(line => line.length <= 60));
  assert.equal(lines.slice(1).join('').replace(/[^x]/g, ''), word);
});

test('a terminal that is too narrow for the others still shows twenty characters a line', () => {
  const lines = table(COLUMNS, [['0'.repeat(30), '1.0', 'word '.repeat(20).trim()]], 20).split('\n');
  assert.ok(lines.length < 10);
  assert.equal(lines[1], `${'0'.repeat(30)}    1.0  word word word word`);
});

const HOSTILE: readonly (readonly [string, string, string])[] = [
  ['a colour and a cursor', '\u001b[31mred\u001b[2J', '\\x1b[31mred\\x1b[2J'],
  ['line breaks', 'one\r\ntwo\u2028three', 'one\\x0d\\x0atwo\\u2028three'],
  ['the other reading order', 'exe.\u202efdp', 'exe.\\u202efdp'],
  ['the start of a C1 sequence', '\u009b1m', '\\x9b1m'],
];

for (const [name, cell, expected] of HOSTILE) {
  test(`what a mail says cannot move the terminal: ${name}`, () => {
    const [, line] = table([{ title: 'SUBJECT' }], [[cell]], 80).split('\n');
    assert.equal(line, expected);
  });
}

test('a cell without end is cut and says so; a missing one is empty', () => {
  const shown = table([{ title: 'A' }, { title: 'B' }], [['x'.repeat(5000)]], 80);
  assert.match(shown, /^x{1000}… \(5000 characters\)$/m);
});

test('JSON says the same to a program and nothing to a terminal', () => {
  const hostile = { subject: 'a\u009b31m\u202eb\u2066\u2028\u001b[2J\u007f' };
  const line = jsonLine(hostile);
  assert.deepEqual(JSON.parse(line), hostile);
  assert.match(line, /^[\x20-\x7e]*$/);
});
