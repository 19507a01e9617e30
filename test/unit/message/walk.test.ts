import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DEFAULT_LIMITS, type MessageLimits } from '../../../src/message/limits.ts';
import { walk } from '../../../src/message/walk.ts';

function tree(text: string, limits: Partial<MessageLimits> = {}) {
  const bytes = Buffer.from(text, 'latin1');
  const { parts, defects, problems } = walk(bytes, { ...DEFAULT_LIMITS, ...limits });
  return {
    parts,
    /** `path type` of each part, and for a leaf what it decodes to. */
    shape: parts.map(part => `${part.path} ${part.type}${part.children === 0 ? `: ${part.decoded()}` : ''}`.trim()),
    defects: defects.list().map(defect => defect.symbol),
    problems: problems.map(problem => `${problem.reason} @${problem.part}`),
  };
}

const mixed = (boundary: string, ...rest: string[]) =>
  `Content-Type: multipart/mixed; boundary="${boundary}"\n\n${rest.join('')}`;

const CASES: readonly { name: string; text: string; shape: string[]; defects?: string[] }[] = [
  { name: 'plain text', text: 'A: 1\n\nhello', shape: ['text/plain: hello'] },
  {
    name: 'a multipart with preamble and epilogue',
    text: mixed('b', 'pre\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\nepi'),
    shape: ['multipart/mixed', '1 text/plain: one', '2 text/html: two'],
  },
  {
    name: 'nested multiparts',
    text: mixed('a', '--a\n', mixed('b', '--b\n\none\n--b--\n'), '--a\n\ntwo\n--a--\n'),
    shape: ['multipart/mixed', '1 multipart/mixed', '1.1 text/plain: one', '2 text/plain: two'],
  },
  {
    name: 'an inner multipart that the outer one ends',
    text: mixed('a', '--a\n', mixed('b', '--b\n\none\n'), '--a\n\ntwo\n--a--\n'),
    shape: ['multipart/mixed', '1 multipart/mixed', '1.1 text/plain: one', '2 text/plain: two'],
    defects: ['MIME_MULTIPART_UNCLOSED'],
  },
  {
    name: 'the same boundary inside and outside',
    text: mixed('b', '--b\n', mixed('b', '--b\n\none\n--b--\n'), '--b\n\ntwo\n--b--\n'),
    shape: ['multipart/mixed', '1 multipart/mixed', '1.1 text/plain: one', '2 text/plain: two'],
    defects: ['MIME_BOUNDARY_REUSED'],
  },
  {
    name: 'a part after the close delimiter',
    text: mixed('b', '--b\n\none\n--b--\n--b\n\ntwo\n--b--\n'),
    shape: ['multipart/mixed', '1 text/plain: one', '2 text/plain: two'],
    defects: ['MIME_PARTS_AFTER_CLOSE'],
  },
  {
    name: 'a message within a message',
    text: 'Content-Type: message/rfc822\n\nSubject: x\n\nhello',
    shape: ['message/rfc822', '1 text/plain: hello'],
  },
  {
    name: 'a message within a multipart, with a multipart in it',
    text: mixed('a', '--a\nContent-Type: message/rfc822\n\n', mixed('b', '--b\n\none\n--b--\n'), '--a--\n'),
    shape: ['multipart/mixed', '1 message/rfc822', '1.1 multipart/mixed', '1.1.1 text/plain: one'],
  },
  {
    name: 'a message in base64',
    text: `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${btoa('Subject: x\n\nhello')}`,
    shape: ['message/rfc822', '1 text/plain: hello'],
  },
  {
    name: 'a digest',
    text: 'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b--\n',
    shape: ['multipart/digest', '1 message/rfc822', '1.1 text/plain: one'],
  },
  {
    name: 'parts without an empty line',
    text: mixed('b', '--b\n--b\nContent-Type: text/html\n--b--\n'),
    shape: ['multipart/mixed', '1 text/plain:', '2 text/html:'],
    defects: ['MIME_HEADER_NO_END'],
  },
  {
    name: 'a multipart without a delimiter is text',
    text: mixed('b', 'hello'),
    shape: ['multipart/mixed: hello'],
    defects: ['MIME_NO_PARTS'],
  },
  {
    name: 'a multipart without a boundary is split at what looks like one',
    text: 'Content-Type: multipart/mixed\n\n--x\nContent-Type: text/html\n\none\n--x--\n',
    shape: ['multipart/mixed', '1 text/html: one'],
    defects: ['MIME_BOUNDARY_MISSING'],
  },
  {
    name: 'two types',
    text: 'Content-Type: text/html\nContent-Type: text/plain\n\nx',
    shape: ['text/html: x'],
    defects: ['MIME_CONFLICTING_CONTENT_TYPE'],
  },
  {
    name: 'the same type twice',
    text: 'Content-Type: text/html\nContent-Type: text/html\n\nx',
    shape: ['text/html: x'],
    defects: ['MIME_DUPLICATE_CONTENT_TYPE'],
  },
  {
    name: 'two encodings',
    text: 'Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\nQUJD',
    shape: ['text/plain: ABC'],
    defects: ['MIME_CONFLICTING_ENCODING'],
  },
  {
    name: 'the same encoding twice',
    text: 'Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: BASE64\n\nQUJD',
    shape: ['text/plain: ABC'],
    defects: ['MIME_DUPLICATE_ENCODING'],
  },
  {
    name: 'an encoding that does not exist',
    text: 'Content-Transfer-Encoding: 9bit\n\nx',
    shape: ['text/plain: x'],
    defects: ['MIME_UNKNOWN_ENCODING'],
  },
  {
    name: 'an encoded multipart is split as it stands',
    text: `Content-Transfer-Encoding: base64\n${mixed('b', '--b\n\none\n--b--\n')}`,
    shape: ['multipart/mixed', '1 text/plain: one'],
    defects: ['MIME_ENCODED_MULTIPART'],
  },
  {
    name: 'two boundaries',
    text: 'Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\none\n--a--\n',
    shape: ['multipart/mixed', '1 text/plain: one'],
    defects: ['MIME_DUPLICATE_PARAMETER'],
  },
  { name: 'no type', text: 'Content-Type: html\n\nx', shape: ['text/plain: x'], defects: ['MIME_BAD_CONTENT_TYPE'] },
  {
    name: 'two subjects',
    text: 'Subject: a\nSubject: b\n\nx',
    shape: ['text/plain: x'],
    defects: ['MIME_DUPLICATE_SUBJECT'],
  },
  { name: 'two authors', text: 'From: a\nFrom: b\n\nx', shape: ['text/plain: x'], defects: ['MIME_DUPLICATE_FROM'] },
  { name: 'two dates', text: 'Date: a\nDate: b\n\nx', shape: ['text/plain: x'], defects: ['MIME_DUPLICATE_HEADER'] },
  { name: 'NUL', text: 'A: \0\n\nx', shape: ['text/plain: x'], defects: ['MIME_HEADER_NUL'] },
  { name: 'bare CR', text: 'A: x\rB: y\n\nx', shape: ['text/plain: x'], defects: ['MIME_HEADER_BARE_CR'] },
  { name: 'an mbox line', text: 'From x\nA: y\n\nx', shape: ['text/plain: x'], defects: ['MIME_HEADER_MBOX_LINE'] },
  { name: 'a stray line', text: 'A: y\nx\n\nx', shape: ['text/plain: x'], defects: ['MIME_HEADER_STRAY_LINE'] },
  { name: 'nothing', text: '', shape: ['text/plain:'], defects: ['MIME_HEADER_NO_END'] },
];

for (const lineEnd of ['\n', '\r\n']) {
  for (const { name, text, shape, defects } of CASES) {
    test(`${name}, lines ending in ${JSON.stringify(lineEnd)}`, () => {
      const seen = tree(text.replaceAll('\n', lineEnd));
      assert.deepEqual(seen.shape, shape);
      assert.deepEqual(seen.defects, defects ?? []);
      assert.deepEqual(seen.problems, []);
    });
  }
}

test('offsets point to header and body; the line end before a delimiter is no part of the body', () => {
  const text = mixed('b', '--b\nA: 1\n\none\n\n--b--\n');
  const part = tree(text).parts[1];
  assert.equal(text.slice(part?.start, part?.bodyStart), 'A: 1\n\n');
  assert.equal(text.slice(part?.bodyStart, part?.bodyEnd), 'one\n');
  assert.equal(part?.within, null);
});

test('offsets within an encoded message point into what it decodes to', () => {
  const text = `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${btoa('Subject: x\n\nhello')}`;
  const [outer, inner] = tree(text).parts;
  assert.equal(inner?.within, '');
  assert.equal(outer?.decoded().toString('latin1', inner?.bodyStart, inner?.bodyEnd), 'hello');
});

test('name, disposition, charset and encoding of a part are read', () => {
  const part = tree(
    'Content-Type: application/pdf; name=a.pdf; charset="X"\nContent-Disposition: ATTACHMENT; filename="b.pdf"\n' +
      'Content-Transfer-Encoding: (x) Base64\n\nQUJD',
  ).parts[0];
  assert.deepEqual(
    [part?.name, part?.disposition, part?.charset, part?.encoding, part?.decoded().toString()],
    ['b.pdf', 'attachment', 'X', 'base64', 'ABC'],
  );
  assert.equal(part?.decoded(), part?.decoded(), 'decoded once');
});

test('beyond the part limit nothing is made, and it is said', () => {
  const { parts, problems } = tree(mixed('b', '--b\n\nx\n'.repeat(50)), { parts: 10 });
  assert.equal(parts.length, 10);
  assert.deepEqual(problems, ['more than 10 parts @10']);
});

test('beyond the depth limit nothing is opened, and it is said once', () => {
  const nest = (n: number): string =>
    n === 0 ? 'A: 1\n\nend' : mixed(`b${n}`, `--b${n}\n`, nest(n - 1), '\n', `--b${n}--\n`);
  assert.deepEqual(tree(nest(5), { depth: 5 }).problems, []);
  const deep = tree(`${mixed('x', '--x\n', nest(6), '\n--x\n', nest(6), '\n--x--\n')}`, { depth: 5 });
  assert.deepEqual(deep.problems, ['nested deeper than 5 levels @1.1.1.1.1']);
  assert.deepEqual(deep.defects, ['MIME_TOO_DEEP']);
});

test('messages within messages have one depth and one budget of bytes, encoded or not', () => {
  const wrap = (text: string) =>
    `Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n${text.replaceAll('=', '=3D')}`;
  let text = 'Subject: x\n\nhello';
  for (let i = 0; i < 8; i++) text = wrap(text);
  assert.equal(tree(text).shape.at(-1), '1.1.1.1.1.1.1.1 text/plain: hello');
  assert.deepEqual(tree(text, { depth: 4 }).problems, ['nested deeper than 4 levels @1.1.1.1']);
  const small = tree(text, { nestedBytes: 2000 });
  assert.equal(small.problems.length, 1);
  assert.match(small.problems[0] ?? '', /^messages within messages of more than 2000 bytes @/);
});

test('header budgets become problems, one for each kind', () => {
  const part = `--b\n${'A: 1\n'.repeat(20)}\nx\n`;
  const { problems } = tree(mixed('b', part.repeat(5)), { headerFields: 30, headerBytes: 90 });
  assert.deepEqual(problems, ['a header of more than 90 bytes @1', 'more than 30 header fields @2']);
});
