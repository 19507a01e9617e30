// Files and texts that are ours or an administrator's, and may be damaged or typed in haste: envelope files,
// units, YAML, arguments. Read, or refused by their own error; what was printed is read back.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { NoError, UsageError } from '../../src/cli/exit.ts';
import { wholeNumber } from '../../src/cli/options.ts';
import { durationHint, durationText, parseDuration, parseSize, sizeHint, sizeText } from '../../src/config/units.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import { BadFile, problemText } from '../../src/platform/problem.ts';
import { safeLine, safeText } from '../../src/platform/terminal-text.ts';
import { parseYaml } from '../../src/platform/yaml.ts';
import { parseExpression } from '../../src/rules/expression.ts';
import { parsePattern, sampleOf } from '../../src/rules/pattern.ts';
import { fold } from '../../src/rules/words.ts';
import { entryText, parseEntry } from '../../src/spool/envelope-file.ts';
import { chance, rounds } from '../support/chance.ts';
import { spoolEntry } from '../support/sample-record.ts';
import { assertCheap } from './cost.ts';
import { cutText, damaged } from './damage.ts';

const ID = mailId(1_700_000_000_000, new Uint8Array(5));

test('envelope files are read back, and damaged ones are refused or sound', t => {
  const luck = chance(t);
  const entry = spoolEntry(ID, { from: luck.pick(['', 'a@b.example']), to: ['c@d.example', '"q q"@e.example'] });
  const text = entryText(entry);
  assert.deepEqual(parseEntry(text, `/nowhere/${ID}.eml`), entry);
  let read = 0;
  for (let i = 0; i < rounds(6000); i++) {
    const wrong = luck.below(3) === 0 ? cutText(text, luck) : JSON.stringify(damaged(JSON.parse(text), luck));
    try {
      const found = parseEntry(wrong, '/x');
      assert.match(found.id, /^[0-9a-z]{18}$/);
      assert.match(found.sha256, /^[0-9a-f]{64}$/);
      assert.ok(
        found.envelope.rcptTo.every(one => typeof one.address.text === 'string' && typeof one.raw === 'string'),
      );
      assert.ok(Number.isFinite(found.sizeBytes) && Number.isFinite(found.receivedAt));
      read++;
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof TypeError), `${String(error)}: ${wrong}`);
    }
  }
  assert.ok(read > 0);
});

test('durations and sizes are read back as they were printed', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(10_000); i++) {
    const value = Math.floor(luck.next() * 2 ** luck.below(50)) * luck.pick([1, 1000, 60_000, 1024]);
    // Nine digits of days, twelve of bytes: what is beyond is no setting.
    if (value < 1e9) assert.equal(parseDuration(durationText(value)), value);
    if (value < 1e12) assert.equal(parseSize(sizeText(value)), value);
    const text = luck.text(
      [...'0159 .-+', 'ms', 's', 'm', 'h', 'd', 'B', 'KiB', 'MB', 'TiB', 'e', '\n', '０', '999999999999'],
      4,
    );
    const [ms, bytes] = [parseDuration(text), parseSize(text)];
    assert.ok(ms === null || (Number.isSafeInteger(ms) && ms >= 0), text);
    assert.ok(bytes === null || (Number.isSafeInteger(bytes) && bytes >= 0), text);
    for (const hint of [durationHint(text), sizeHint(text)]) {
      const said = /"(.*)"/.exec(hint)?.[1];
      assert.ok(said === undefined || parseDuration(said) !== null || parseSize(said) !== null, `${text}: ${hint}`);
    }
  }
});

test('whole numbers of the command line are in their range or refused by name', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(5000); i++) {
    const text = luck.text([...'0123456789-+. e', '0x', '９', '\n'], 6);
    try {
      const value = wholeNumber(text, '--limit', { min: 1, max: 1000 });
      assert.ok(Number.isInteger(value) && value >= 1 && value <= 1000, text);
    } catch (error) {
      assert.ok(error instanceof UsageError || error instanceof NoError, String(error));
    }
  }
});

test('nothing that is shown at a terminal can move it', t => {
  const luck = chance(t);
  const pieces = [
    'a',
    '\x1b[2J',
    '\x9b',
    '\r',
    '\n',
    '\t',
    '\0',
    '\u202e',
    '\u200b',
    '\ud800',
    '😀',
    '\u{e0041}',
    '\u00ad',
    '\x7f',
    '\u2028',
  ];
  const unsafe = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Cs}/u;
  for (let i = 0; i < rounds(10_000); i++) {
    const text = luck.text(pieces, 20);
    const max = luck.below(12);
    assert.doesNotMatch(safeLine(text, max), unsafe, JSON.stringify(text));
    assert.doesNotMatch(safeText(text, max).replace(/[\n\t]/g, ''), unsafe, JSON.stringify(text));
    assert.ok(safeLine(text, max).length <= max * 9 + 40);
  }
});

test('YAML of any text is a value or problems with places', t => {
  const luck = chance(t);
  const pieces = [
    ...[
      'a: ',
      '- ',
      '\n',
      '\n  ',
      '  ',
      '\t',
      '{',
      '}',
      '[',
      ']',
      ', ',
      '"',
      "'",
      '|',
      '>',
      '&x ',
      '*x',
      '!!str ',
      '!<tag:x> ',
      '---',
      '...',
      '#',
      '%YAML 1.1',
      '? ',
      ': ',
    ],
    ...[
      '~',
      'null',
      '.inf',
      '0x1f',
      '1_000',
      '2026-11-23',
      '<<: *x',
      '__proto__: ',
      '\0',
      '\ufeff',
      'ü',
      '\u2028',
      '\x85',
      '[['.repeat(40),
      '{a: '.repeat(30),
      '\\x41',
      '\\',
    ],
  ];
  let read = 0;
  for (let i = 0; i < rounds(1500); i++) {
    const text = luck.text(pieces, 20);
    try {
      const { value, problem } = parseYaml('a.yaml', text);
      JSON.stringify(value);
      assert.equal(Object.getPrototypeOf({}), Object.prototype);
      assert.ok(problem([], 'value', 'x').line >= 1);
      read++;
    } catch (error) {
      assert.ok(error instanceof BadFile, `${String(error)}: ${JSON.stringify(text)}`);
      for (const one of error.problems) assert.ok(one.line >= 1 && one.column >= 1 && problemText(one) !== '');
    }
  }
  assert.ok(read > rounds(100));
});

test('a file of many keys, anchors or lines takes time by its length', async () => {
  const shapes: Readonly<Record<string, (n: number) => string>> = {
    keys: n => `k${n}: a\n`,
    lists: n => `- ${n}\n`,
    'flow entries': n => `${n === 0 ? '[' : ''}a${n}, `,
    comments: n => `# ${n}\n`,
    'keys of keys': n => `k${n}: {a: 1, b: 2}\n`,
  };
  for (const [name, piece] of Object.entries(shapes)) {
    await assertCheap({
      name,
      make: count =>
        Buffer.from(Array.from({ length: count }, (_, n) => piece(n)).join('') + (name.startsWith('flow') ? ']' : '')),
      work: bytes => parseYaml('a.yaml', bytes),
      bytes: 2000,
      limitMs: 10_000,
    });
  }
});

test('words fold once and for all, and expressions of any text are read or refused', t => {
  const luck = chance(t);
  const pieces = [
    ..."aZ09.-'’ ",
    'ä',
    'e\u0301',
    '\ufdfa',
    '\u0345',
    'İ',
    'ß',
    '\u0130',
    '漢',
    '한',
    '\ud800',
    '\u0301\u0327',
    'ﬁ',
    '½',
    '\u2028',
  ];
  const syntax = [
    '/',
    '/i',
    '(',
    ')',
    '[',
    ']',
    '^',
    '$',
    '.',
    '*',
    '+',
    '?',
    '{2,}',
    '{1,5}',
    '|',
    '\\',
    '\\b',
    '\\1',
    '(?:',
    '(?=',
    '(?<!',
    '(?<n>',
    '\\k<n>',
    '\\p{L}',
    '[^',
    '-',
    'a',
    ' ',
    '\\u{1f600}',
  ];
  for (let i = 0; i < rounds(8000); i++) {
    const text = luck.text(pieces, 12);
    const folded = fold(text);
    assert.equal(fold(folded), folded, JSON.stringify(text));
    assert.match(folded, /^ (?:\S+ )*$/u, JSON.stringify(text));
    const written = `/${luck.text(syntax, 8)}/${luck.pick(['', 'i', 'u', 'ss', 'g', 'x'])}`;
    const read = parseExpression(written);
    if ('message' in read) continue;
    assert.equal(typeof sampleOf(parsePattern(read.source, read.flags)), 'string');
  }
});
