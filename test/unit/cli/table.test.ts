import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, table, terminalWidth, wrapped } from '../../../src/cli/table.ts';
import { cutEnd, cutMiddle, padEnd, textWidth } from '../../../src/platform/text-width.ts';

const COLUMNS: readonly Column[] = [
  { title: 'ID' },
  { title: 'SCORE', align: 'right' },
  { title: 'FROM', narrow: 'middle' },
  { title: 'SUBJECT', narrow: 'wrap' },
];

test('columns are as wide as their content, numbers stand to the right, no line ends in blanks', () => {
  const rows = [
    ['01', '1000.4', 'a@b.c', 'hello'],
    ['012345', '-1.0', 'b@c.d', 'hi'],
  ];
  assert.deepEqual(table(COLUMNS, rows, 80).split('\n'), [
    'ID       SCORE  FROM   SUBJECT',
    '01      1000.4  a@b.c  hello',
    '012345    -1.0  b@c.d  hi',
  ]);
});

test('addresses lose their middle, subjects go on below, ids are never cut', () => {
  const rows = [['0123456789', '1.0', 'a.very.long.local.part@mail.example.org', 'a subject that is too long for it']];
  assert.deepEqual(table(COLUMNS, rows, 50).split('\n'), [
    'ID          SCORE  FROM            SUBJECT',
    '0123456789    1.0  a.very.…le.org  a subject that',
    '                                   is too long for',
    '                                   it',
  ]);
});

test('without room beside the others a subject stands below its row', () => {
  const columns: readonly Column[] = [{ title: 'ID' }, { title: 'SUBJECT', narrow: 'below' }];
  const rows = [
    ['0'.repeat(30), 'word '.repeat(20)],
    ['1', ''],
  ];
  assert.deepEqual(table(columns, rows, 50).split('\n'), [
    'ID',
    '    SUBJECT',
    '0'.repeat(30),
    '    word word word word word word word word word …',
    '1',
  ]);
  assert.equal(table(columns, [['1', 'short']], 50), 'ID  SUBJECT\n1   short');
});

const CELLS = [
  'plain text of some length that needs room',
  '漢字かな交じり文の件名はとても長いです漢字かな交じり文',
  '🎉🎉🎉 free money 🎉🎉🎉 free money 🎉🎉🎉',
  'e\u0301'.repeat(60),
  `x${'\u0301'.repeat(900)}`,
  '\u001b[31mred\u001b[0m'.repeat(5),
  'a'.repeat(200),
  '',
];

for (const width of [40, 60, 80, 100, 200]) {
  test(`no line is wider than a terminal of ${width} columns, whatever a mail says`, () => {
    const rows = CELLS.flatMap(from => CELLS.map(subject => ['01', '1.0', from, subject]));
    for (const narrow of ['wrap', 'end', 'below'] as const) {
      const columns = COLUMNS.with(3, { title: 'SUBJECT', narrow });
      for (const line of table(columns, rows, width).split('\n')) {
        assert.ok(textWidth(line) <= width, `${textWidth(line)}: ${line}`);
        assert.doesNotMatch(line, /\p{Cc}/u);
      }
    }
  });
}

test('where even cut columns find no room some go, and no line is too wide', () => {
  const columns: readonly Column[] = [
    { title: 'ID' },
    { title: 'HELD', spare: 2 },
    { title: 'CLASS', spare: 1 },
    { title: 'SCORE', align: 'right' },
    { title: 'FROM', narrow: 'middle' },
    { title: 'TO', narrow: 'middle' },
  ];
  const rows = [
    ['01k9x2m4q8a7b3c5d6-1', '2026-11-23 22:41', 'malware', '12.0', 'somebody@example.org', 'me@example.org'],
  ];
  const titles = (width: number) => table(columns, rows, width).split('\n')[0]?.split(/ +/);
  assert.deepEqual(titles(100), ['ID', 'HELD', 'CLASS', 'SCORE', 'FROM', 'TO']);
  assert.deepEqual(titles(75), ['ID', 'HELD', 'SCORE', 'FROM', 'TO']);
  assert.deepEqual(titles(60), ['ID', 'SCORE', 'FROM', 'TO']);
  assert.deepEqual(titles(40), ['ID', 'FROM']);
  for (let width = 40; width < 120; width++) {
    for (const line of table(columns, rows, width).split('\n'))
      assert.ok(textWidth(line) <= width, `${width}: ${line}`);
  }
});

test('a name that fits into a line is never broken', () => {
  assert.deepEqual(wrapped('lists: dbl.spamhaus.org answers', 18), ['lists:', 'dbl.spamhaus.org', 'answers']);
  assert.deepEqual(wrapped('a bb', 3), ['a', 'bb']);
});

test('a word longer than the column is broken, and nothing of it is lost', () => {
  const lines = wrapped('x'.repeat(100), 30);
  assert.ok(lines.every(line => line.length <= 30));
  assert.equal(lines.join(''), 'x'.repeat(100));
  assert.deepEqual(wrapped('漢字', 1), ['漢', '字'], 'what is wider than the column ends nevertheless');
});

test('wide characters take two columns, marks none, and a cut never halves one', () => {
  assert.equal(textWidth('漢字'), 4);
  assert.equal(textWidth('🎉'), 2);
  assert.equal(textWidth('e\u0301'), 1);
  assert.equal(cutEnd('漢字漢字', 5), '漢字…');
  assert.equal(cutEnd('漢字漢字', 6), '漢字…');
  assert.equal(cutMiddle('漢字漢字', 6), '漢…字');
  assert.equal(cutMiddle('abcdefgh', 5), 'ab…gh');
  assert.equal(padEnd('漢', 4), '漢  ');
});

test('a terminal tells its width; a pipe has none unless COLUMNS says so', t => {
  const before = process.env['COLUMNS'];
  t.after(() => {
    if (before === undefined) delete process.env['COLUMNS'];
    else process.env['COLUMNS'] = before;
  });
  delete process.env['COLUMNS'];
  assert.equal(terminalWidth({ isTTY: true, columns: 132 }), 132);
  assert.equal(terminalWidth({ isTTY: true, columns: 10 }), 40);
  assert.ok(terminalWidth({}) > 10_000);
  process.env['COLUMNS'] = '72';
  assert.equal(terminalWidth({}), 72);
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
