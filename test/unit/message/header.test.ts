import assert from 'node:assert/strict';
import { test } from 'node:test';

import { first, readHeaderSection } from '../../../src/message/header.ts';

const OPTIONS = { maxBytes: 10_000, maxFields: 100, isDelimiter: () => false };

function read(text: string, options: Partial<typeof OPTIONS> = {}) {
  const bytes = Buffer.from(text, 'latin1');
  const section = readHeaderSection(bytes, 0, { ...OPTIONS, ...options });
  return {
    ...section,
    names: section.fields.map(field => field.name),
    body: bytes.toString('latin1', section.bodyStart),
  };
}

const CASES: readonly { name: string; text: string; names: string[]; body: string; endedBy: string; stray?: string }[] =
  [
    { name: 'CRLF', text: 'A: 1\r\nB: 2\r\n\r\nbody', names: ['A', 'B'], body: 'body', endedBy: 'empty line' },
    { name: 'LF', text: 'A: 1\nB: 2\n\nbody', names: ['A', 'B'], body: 'body', endedBy: 'empty line' },
    { name: 'no fields', text: '\r\nbody', names: [], body: 'body', endedBy: 'empty line' },
    { name: 'no body', text: 'A: 1\r\n', names: ['A'], body: '', endedBy: 'input' },
    { name: 'no line end', text: 'A: 1', names: ['A'], body: '', endedBy: 'input' },
    { name: 'nothing', text: '', names: [], body: '', endedBy: 'input' },
    { name: 'blank before the colon', text: 'Subject : x\n\n', names: ['Subject'], body: '', endedBy: 'empty line' },
    { name: 'empty name', text: ': x\nA: 1\n\n', names: ['A'], body: '', endedBy: 'empty line', stray: ': x' },
    {
      name: 'a name of two words',
      text: 'A: 1\nto you: 2\n\n',
      names: ['A'],
      body: '',
      endedBy: 'empty line',
      stray: 'to you: 2',
    },
    {
      name: 'a stray line',
      text: 'A: 1\nhello\nB: 2\n\nbody',
      names: ['A', 'B'],
      body: 'body',
      endedBy: 'empty line',
      stray: 'hello',
    },
    {
      name: 'no empty line',
      text: 'A: 1\nhello\nB: 2\n',
      names: ['A'],
      body: 'hello\nB: 2\n',
      endedBy: 'text',
      stray: 'hello',
    },
    { name: 'text alone', text: 'hello\n\nmore', names: [], body: 'hello\n\nmore', endedBy: 'text', stray: 'hello' },
    {
      name: 'a line of blanks before text',
      text: 'A: 1\n \t\nhello\nB: 2\n\nbody',
      names: ['A'],
      body: 'hello\nB: 2\n\nbody',
      endedBy: 'text',
      stray: 'hello',
    },
    {
      name: 'a line of blanks before a field',
      text: 'A: 1\n \nB: 2\n\n',
      names: ['A', 'B'],
      body: '',
      endedBy: 'empty line',
    },
    { name: 'an mbox line', text: 'From a@b Mon\nA: 1\n\n', names: ['A'], body: '', endedBy: 'empty line' },
  ];

for (const { name, text, names, body, endedBy, stray } of CASES) {
  test(`header section: ${name}`, () => {
    const section = read(text);
    assert.deepEqual(section.names, names);
    assert.equal(section.body, body);
    assert.equal(section.endedBy, endedBy);
    assert.equal(section.strayLine, stray ?? '');
  });
}

test('a field knows its bytes, its raw value with folds and its decoded value', () => {
  const text = 'A: 1\r\nSubject: =?utf-8?q?=C3=A4?=\r\n  x\r\nB: 2\r\n\r\n';
  const { fields } = read(text);
  const subject = first(fields, 'subject');
  assert.equal(text.slice(subject?.start, subject?.end), 'Subject: =?utf-8?q?=C3=A4?=\r\n  x');
  assert.equal(subject?.raw, ' =?utf-8?q?=C3=A4?=\r\n  x');
  assert.equal(subject?.value, 'ä x');
});

test('a folded line after a stray line does not belong to the field before', () => {
  assert.equal(read('A: 1\nhello\n more\n\n').fields[0]?.value, '1');
});

test('a delimiter ends the header section', () => {
  const section = read('A: 1\n--b\nB: 2\n\n', { isDelimiter: () => true });
  assert.deepEqual(section.names, ['A']);
  assert.equal(section.endedBy, 'delimiter');
  assert.equal(section.body, '--b\nB: 2\n\n');
});

test('NUL, bare CR and an mbox line are told', () => {
  assert.equal(read('A: \0\r\n\r\n').hasNul, true);
  assert.equal(read('A: x\ry\r\n\r\n').hasBareCr, true);
  assert.equal(read('From x\r\nA: x\r\n\r\n').hasMboxLine, true);
  const { hasNul, hasBareCr, hasMboxLine } = read('A: x\r\n\r\n\0\r');
  assert.deepEqual([hasNul, hasBareCr, hasMboxLine], [false, false, false]);
});

test('beyond a budget no fields are made, but the body is still found', () => {
  const long = read(`A: 1\n${'B: 2\n'.repeat(100)}\nbody`, { maxBytes: 50 });
  assert.deepEqual([long.over, long.body, long.names.length], ['headerBytes', 'body', 10]);
  const many = read(`${'B: 2\n'.repeat(100)}\nbody`, { maxFields: 7 });
  assert.deepEqual([many.over, many.body, many.names.length], ['headerFields', 'body', 7]);
});
