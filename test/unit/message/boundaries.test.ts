import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Boundaries, guessBoundary } from '../../../src/message/boundaries.ts';

function opened(...names: string[]): Boundaries {
  const boundaries = new Boundaries();
  names.forEach((name, level) => {
    boundaries.open(name, level);
  });
  return boundaries;
}

const LINES: readonly { line: string; open: string[]; found: [level: number, isClose: boolean] | null }[] = [
  { line: '--a', open: ['a'], found: [0, false] },
  { line: '--a--', open: ['a'], found: [0, true] },
  { line: '--a \t', open: ['a'], found: [0, false] },
  { line: '--a-- ', open: ['a'], found: [0, true] },
  { line: '--ab', open: ['a'], found: null },
  { line: '--a', open: ['ab'], found: null },
  { line: '--ab', open: ['a', 'ab'], found: [1, false] },
  { line: '--a--', open: ['a', 'a--'], found: [1, false] },
  { line: '--a----', open: ['a', 'a--'], found: [1, true] },
  { line: '--a', open: ['b', 'a', 'a'], found: [2, false] },
  { line: '--a garbage', open: ['a'], found: [0, false] },
  { line: '--a-- garbage', open: ['a'], found: [0, true] },
  { line: '--a garbage', open: ['a', 'a garbage'], found: [1, false] },
  { line: `--a ${'x'.repeat(5000)}`, open: ['a'], found: [0, false] },
  { line: '--a;garbage', open: ['a'], found: null },
  { line: '--A', open: ['a'], found: null },
  { line: '--', open: ['a'], found: null },
  { line: `--${'x'.repeat(1000)}`, open: ['x'], found: null },
];

for (const { line, open, found } of LINES) {
  test(`${line.slice(0, 20)} with ${open.join(', ')} open`, () => {
    const bytes = Buffer.from(`${line}\r\nmore`);
    const delimiter = opened(...open).match(bytes, 0);
    assert.deepEqual(delimiter === null ? null : [delimiter.level, delimiter.isClose], found);
    if (delimiter !== null) assert.equal(bytes.toString('latin1', delimiter.next), 'more');
  });
}

test('the first delimiter from a line on is found, and only at the start of a line', () => {
  const bytes = Buffer.from('x--a\n -- a\n--b\n--a\nrest');
  assert.deepEqual(opened('a').find(bytes, 0), { level: 0, isClose: false, lineStart: 15, next: 19 });
  assert.equal(opened().find(bytes, 0), null);
});

test('a boundary that is dropped is found no more, and one hidden behind it is', () => {
  const boundaries = opened('a', 'a');
  assert.equal(boundaries.hides('a'), true);
  boundaries.drop('a');
  assert.equal(boundaries.match(Buffer.from('--a'), 0)?.level, 0);
  boundaries.drop('a');
  assert.equal(boundaries.match(Buffer.from('--a'), 0), null);
});

test('a boundary that nobody declared is guessed from the body', () => {
  assert.equal(guessBoundary(Buffer.from('hello\n--x y\nContent-Type: a/b\n\n'), 0), 'x y');
  assert.equal(guessBoundary(Buffer.from('--x\n\nhello'), 0), 'x');
  assert.equal(guessBoundary(Buffer.from('-- \nJohn\n'), 0), '');
  assert.equal(guessBoundary(Buffer.from(`${'\n'.repeat(500)}--x\n\n`), 0), '');
});
