import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { BadFile } from '../../../src/platform/problem.ts';
import { parseYaml, YAML_MAX_ALIASES, YAML_MAX_BYTES } from '../../../src/platform/yaml.ts';

/** `line:column: message` of each problem. */
function problemsOf(text: string | Uint8Array): string[] {
  try {
    parseYaml('a.yaml', text);
    return [];
  } catch (error) {
    assert.ok(error instanceof BadFile, String(error));
    return error.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
  }
}

function hintsOf(text: string): string[] {
  try {
    parseYaml('a.yaml', text);
    return [];
  } catch (error) {
    assert.ok(error instanceof BadFile, String(error));
    return error.problems.map(({ hint }) => hint);
  }
}

describe('parseYaml', () => {
  it('says which line is indented too deep', () => {
    const cases: readonly [string, number, number][] = [
      ['hostname: mx.example.org\n  data: ./x\n', 2, 1],
      ['domains:\n  example.org:\n    nextHop: smtp://1\n      policy: x\n', 4, 3],
      ['a:\n  - x: 1\n     y: 2\n', 3, 2],
      ['a: b\n\n   c: d\n', 3, 1],
    ];
    for (const [text, deep, above] of cases) {
      const [hint = ''] = hintsOf(text);
      assert.ok(hint.startsWith(`line ${deep} is indented deeper than line ${above}: `), `${text}: ${hint}`);
    }
    assert.doesNotMatch(hintsOf('a: x y: z\nb: c\n')[0] ?? '', /indented/);
  });

  it('reads YAML 1.2: yes, no, on and off are words', () => {
    const { value } = parseYaml('a.yaml', 'a: off\nb: no\nc: true\nd: 012\ne: 1:30\nf: ~\ng: {h: [1, "2"]}');
    assert.deepEqual(value, { a: 'off', b: 'no', c: true, d: 12, e: '1:30', f: null, g: { h: [1, '2'] } });
  });

  it('reads bytes as UTF-8, with or without a mark at the beginning, and any line ends', () => {
    for (const text of ['a: ü\nb: 1', '\ufeffa: ü\r\nb: 1\r\n']) {
      assert.deepEqual(parseYaml('a.yaml', Buffer.from(text)).value, { a: 'ü', b: 1 });
    }
    assert.deepEqual(problemsOf(Buffer.from([0x61, 0x3a, 0x20, 0xff])), ['1:1: the file is not UTF-8 text']);
  });

  it('takes an empty file as nothing', () => {
    for (const text of ['', '\n', '# only a comment\n']) assert.equal(parseYaml('a.yaml', text).value, null);
  });

  it('refuses what would be read as something else than it looks', () => {
    const cases: [string, string[]][] = [
      ['a: 1\na: 2', ['2:1: this key stands twice']],
      ['1: a\n"1": b', ['2:1: this key stands twice']],
      ['? [a]\n: 1', ['1:3: a key must be a plain word']],
      ['a: !!js/function x', ['1:4: not valid YAML: Unresolved tag: tag:yaml.org,2002:js/function']],
      ['codes:\n  &8: X', ['2:5: not valid YAML: Anchor ending in : is ambiguous']],
      ['a: 1\n---\nb: 2', ['2:1: more than one document in the file']],
      ['a: *b', ['1:4: no anchor &b before this alias']],
      ['a: &x {b: *x}', ['1:11: an alias within its own anchor']],
    ];
    for (const [text, expected] of cases) assert.deepEqual(problemsOf(text), expected, text);
  });

  it('points at the quote that is never closed, not at the end of the file', () => {
    assert.deepEqual(problemsOf('a: 1\nb: "x\nc: 2\nd: 3\n'), ['2:4: not valid YAML: Missing closing "quote']);
    assert.deepEqual(problemsOf("a: 1\nb: 'x\nc: 2\n"), ["2:4: not valid YAML: Missing closing 'quote"]);
  });

  it('says what to do about the usual mistakes', () => {
    const cases: [string, RegExp][] = [
      ['a:\n\tb: 1', /spaces/],
      ['a: 1\na: 2', /join the two/],
      ['a:\n  - b\n c: 1', /same column/],
      ['address: [::1]:25', /IPv6 address must stand in quotes/],
      ['a:\n  *: accept', /must stand in quotes/],
      ['a: @b', /in quotes/],
      ['a: b: c', /colon/],
      ['a: "\\q"', /single quotes/],
      ['a: 1\n---\nb: 2', /take the line --- away/],
      ['a: !x y', /in quotes/],
    ];
    for (const [text, expected] of cases) {
      const hints = hintsOf(text);
      assert.equal(hints.length, 1, `one problem a mistake: ${text}`);
      assert.match(hints[0] ?? '', expected, text);
    }
  });

  it('takes some aliases, but no billion laughs', () => {
    const aliases = (count: number) => `a: &a [x]\nb: [${Array.from({ length: count }, () => '*a').join(', ')}]`;
    assert.deepEqual(problemsOf(aliases(YAML_MAX_ALIASES - 1)), []);
    assert.deepEqual(problemsOf(aliases(YAML_MAX_ALIASES + 1)), [
      `2:${5 + 4 * YAML_MAX_ALIASES}: more than ${YAML_MAX_ALIASES} aliases (*name)`,
    ]);
    const laughs = 'a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: &d [*c, *c, *c]\ne: [*d, *d, *d]';
    assert.deepEqual(problemsOf(laughs), ['1:1: too many aliases (*name) within aliases']);
  });

  it('refuses what is nested too deep, however deep', () => {
    const cases = [
      '['.repeat(200),
      '['.repeat(20_000),
      '- '.repeat(5000),
      '? '.repeat(5000),
      '{a: '.repeat(300),
      `${'['.repeat(150)}${']'.repeat(150)}`,
    ];
    for (const text of cases) {
      const [first = ''] = problemsOf(text);
      assert.notEqual(first, '', text.slice(0, 20));
    }
    assert.match(problemsOf(`${'['.repeat(150)}${']'.repeat(150)}`)[0] ?? '', /nested too deep/);
    assert.deepEqual(problemsOf(`${'['.repeat(90)}${']'.repeat(90)}`), []);
  });

  it('refuses a file that nobody wrote by hand', () => {
    assert.deepEqual(problemsOf(`# ${'x'.repeat(YAML_MAX_BYTES)}`), [
      `1:1: the file is larger than ${YAML_MAX_BYTES} bytes`,
    ]);
  });
});

describe('problem', () => {
  const file = parseYaml(
    'a.yaml',
    '# Comment\ndomains:\n  bücher.example:\n    "日本": smtp://a\n    empty:\n  25: {x: [1, 2, {y: z}]}\n',
  );
  const at = (path: (string | number)[], where: 'key' | 'value' = 'value') => {
    const { line, column } = file.problem(path, where, 'm');
    return `${line}:${column}`;
  };

  it('finds keys and values, counting characters', () => {
    assert.equal(at(['domains'], 'key'), '2:1');
    assert.equal(at(['domains', 'bücher.example'], 'key'), '3:3');
    assert.equal(at(['domains', 'bücher.example', '日本'], 'key'), '4:5');
    assert.equal(at(['domains', 'bücher.example', '日本']), '4:11');
    assert.equal(at(['domains', '25', 'x', 1]), '6:15');
    assert.equal(at(['domains', '25', 'x', 2, 'y']), '6:22');
  });

  it('points at the key where the value is empty, and at the nearest place above where there is none', () => {
    assert.equal(at(['domains', 'bücher.example', 'empty']), '5:5');
    assert.equal(at(['domains', 'bücher.example', 'nextHop']), '4:5');
    assert.equal(at(['domains', 'nowhere', 'nextHop', 'x']), '3:3');
    assert.equal(at(['nothing']), '2:1');
    assert.equal(at([]), '2:1');
  });

  it('counts a character beyond the first 65,536 as one', () => {
    const emoji = parseYaml('a.yaml', '{"😀😀": 1, b: 2}').problem(['b'], 'value', 'm');
    assert.equal(emoji.column, 14);
  });

  it('shows the line as it stands', () => {
    const { source } = parseYaml('a.yaml', 'a: 1\r\nb: 2\r\n').problem(['b'], 'value', 'm');
    assert.equal(source, 'b: 2');
  });
});
