// Command lines of chance: real commands, options and values, mixed with garbage and with what moves a terminal. They end
// in 0, 1 or 2, say what is wrong in words and not in a stack, and give nothing back to the terminal that it would obey.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type { Command } from 'commander';
import { exitCodeOf, UsageError } from '../../src/cli/exit.ts';
import { program } from '../../src/cli/program.ts';
import { recordedResults } from '../../src/cli/recorded-results.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { temporaryFolder } from '../support/sample-record.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/postern');
/** What a terminal obeys, and what turns or hides what stands beside it. */
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
/** Stands behind a line feed in arguments: at the beginning of a line it would pass for words of ours. */
const FORGED = 'postern: all is well';
const STACK = /^\s+at .+:\d+:\d+\)?$/m;

const GARBAGE = [
  ...['\x1b[2J', '\x9b31m', '\x1b]0;t\x07', '\r', `\n${FORGED}`, '\t', '\u202e', '\u200b', '\u2028', '\ud800', '\x7f'],
  ...['=', '-', '--', ',', '<>', "'", '"', '$(id)', '%s', '__proto__', '..', '/', 'ü', '😀', 'x'.repeat(2000), ''],
];
const VALUES = [
  ...[
    '1',
    '0',
    '-1',
    '1e3',
    '9'.repeat(20),
    '192.0.2.1',
    '::1',
    'a@example.org',
    '<>',
    'held',
    '7d',
    'bash',
    'none.yaml',
  ],
  ...['spf=pass', 'spf=pass,dkim=fail', 'spf=', '01k9x2m4q8a7b3c5d6-1', '01k9x2m4q8a7b3c5d6', 'bad.yaml', 'folder'],
];

function below(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(below)];
}

const COMMANDS = below(program());
const OPTIONS = COMMANDS.flatMap(({ options }) => options.flatMap(({ long, short }) => [long ?? '', short ?? '--']));

function garbage({ pick, text, below: number }: Chance): string {
  return number(3) === 0 ? text([...GARBAGE, ...OPTIONS, ...VALUES], 3) : pick(GARBAGE);
}

function word(luck: Chance): string {
  const { pick, below: number } = luck;
  const kind = number(10);
  if (kind < 4) return pick(OPTIONS);
  if (kind < 7) return pick(VALUES);
  if (kind < 8) return `${pick(OPTIONS)}=${number(2) === 0 ? garbage(luck) : pick(VALUES)}`;
  return kind < 9 ? `${pick(OPTIONS)}${garbage(luck)}` : garbage(luck);
}

/** Most of them reach a command that is there. */
function commandLine(luck: Chance): string[] {
  const { pick, below: number } = luck;
  const path: string[] = [];
  for (let at: Command | null = pick(COMMANDS); at?.parent; at = at.parent) path.unshift(at.name());
  const first = number(10);
  const begin = first === 0 ? [garbage(luck)] : first === 1 ? ['help', ...path] : path;
  return [...begin, ...Array.from({ length: number(5) }, () => word(luck))];
}

function harmless(said: string, args: readonly string[]): void {
  const shown = `${JSON.stringify(args)}: ${JSON.stringify(said.slice(0, 3000))}`;
  assert.doesNotMatch(said, UNSAFE, shown);
  assert.ok(!said.split('\n').some(line => line.startsWith(FORGED)), shown);
  assert.doesNotMatch(said, STACK, shown);
  assert.ok(said.length < 20_000, shown);
}

/** What a command line ends in, in this process. */
async function ended(t: TestContext, top: Command, args: readonly string[]) {
  const said = { out: '', err: '' };
  const into = (name: keyof typeof said) => (chunk: string | Uint8Array) => {
    said[name] += String(chunk);
    return true;
  };
  const mocks = [
    t.mock.method(process.stdout, 'write', into('out')),
    t.mock.method(process.stderr, 'write', into('err')),
  ];
  try {
    await top.parseAsync(['node', 'postern', ...args]);
    return { code: 0, ...said };
  } catch (error) {
    const code = exitCodeOf(error);
    return { code, ...said };
  } finally {
    for (const mock of mocks) mock.mock.restore();
  }
}

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  mkdirSync(join(folder, 'folder'));
  writeFileSync(join(folder, 'bad.yaml'), 'hostname: [\x1b[2J\n');
  return folder;
}

test('options of chance are understood, or refused with 2 and words that are harmless', async t => {
  const luck = chance(t);
  const codes = new Map<number, number>();
  let ran = 0;
  for (let i = 0; i < rounds(2500); i++) {
    const top = program();
    for (const command of below(top)) if (command.commands.length === 0) command.action(() => void ran++);
    const args = commandLine(luck);
    const before = ran;
    const { code, out, err } = await ended(t, top, args);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    assert.ok(code === 0 || code === 2, `${code}: ${JSON.stringify(args)}`);
    assert.equal(code === 0, ran > before || out !== '', `${JSON.stringify(args)}: ${err}`);
    assert.ok(code === 0 || err !== '', JSON.stringify(args));
    harmless(out + err, args);
  }
  assert.ok((codes.get(0) ?? 0) > rounds(150) && (codes.get(2) ?? 0) > rounds(150), JSON.stringify([...codes]));
});

/** They start a gateway, ask DNS or read all rules: by their options alone, above. */
const NOT_RUN = new Set(['serve', 'doctor', 'lint', 'test']);

test('commands of chance end in 0, 1 or 2 where there is no gateway, no record and no such file', async t => {
  const luck = chance(t);
  const folder = await emptyFolder(t);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  const codes = new Map<number, number>();
  for (let i = 0; i < rounds(800); i++) {
    const top = program();
    for (const command of below(top)) if (NOT_RUN.has(command.name())) command.action(() => undefined);
    const args = commandLine(luck).filter(one => one !== '/' && one !== '..' && one !== '-');
    const { code, out, err } = await ended(t, top, args);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    assert.ok([0, 1, 2].includes(code), `${code}: ${JSON.stringify(args)}`);
    assert.ok(code === 0 || err !== '' || out !== '', JSON.stringify(args));
    harmless(args[0] === 'completion' ? err : out + err, args);
  }
  for (const code of [0, 1, 2]) assert.ok((codes.get(code) ?? 0) > 0, `${code} never: ${JSON.stringify([...codes])}`);
});

test('no argument that is refused by its value gets raw to the terminal', async t => {
  const folder = await emptyFolder(t);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [2, ['check', '--ip', '?', 'x']],
    [2, ['check', '--from', '?', 'x']],
    [2, ['check', '--rcpt', '?', 'x']],
    [2, ['check', '--auth', '?', 'x']],
    [2, ['check', '?']],
    [2, ['check', 'x', '--config', '?']],
    [2, ['quarantine', 'list', '--limit', '?']],
    [2, ['quarantine', 'list', '--state', '?']],
    [2, ['quarantine', 'list', '--since', '?']],
    [2, ['quarantine', 'show', '?']],
    [2, ['quarantine', 'release', '?', '?']],
    [2, ['top', '--interval', '?']],
    [1, ['trace', '?']],
    [2, ['rules', 'lint', '?']],
    [2, ['completion', '?']],
    [2, ['?']],
    [2, ['doctor', '?']],
    [2, ['doctor', '--?']],
    [2, ['quarantine', 'list', '-q?']],
    [2, ['quarantine', '?']],
    [2, ['check', '--json=?', 'x']],
  ];
  for (const [code, args] of cases) {
    for (const hostile of GARBAGE.filter(one => UNSAFE.test(one) || one.includes('\n'))) {
      const given = args.map(arg => arg.replace('?', () => `a${hostile}`));
      const { code: got, out, err } = await ended(t, program(), given);
      assert.equal(got, code, `${JSON.stringify(given)}: ${err}`);
      harmless(out + err, given);
    }
  }
});

test('the program itself, by its launcher, ends as documented', async t => {
  const cwd = await emptyFolder(t);
  const cases: readonly (readonly [number, readonly string[]])[] = [
    [2, [`a\x1b[2J\n${FORGED}`]],
    [2, ['check', '--auth', `spf=\x9b31m\n${FORGED}`, 'x']],
    [2, ['rules', 'lint', '-c', 'bad.yaml']],
    [1, ['trace', `a\u202e\n${FORGED}`]],
    [2, ['help', `\x1b[2J`]],
  ];
  for (const [code, args] of cases) {
    const { status, signal, stdout, stderr } = spawnSync(LAUNCHER, args, { cwd, encoding: 'utf8', timeout: 60_000 });
    assert.deepEqual([status, signal], [code, null], `${JSON.stringify(args)}: ${stderr}`);
    assert.equal(stderr !== '', code !== 0);
    harmless(stdout + stderr, args);
  }
});

test('--auth of any text is a list of known results, or a usage error that names the part', t => {
  const luck = chance(t);
  const pieces = [
    ...['spf', 'dkim', 'dmarc', 'SPF', 'd\u212aim', 'arc', '=', '=', '==', ',', ',', ' ', '\t'],
    ...['pass', 'fail', 'none', 'Pass', 'temperror', 'constructor', '__proto__', 'x', ...GARBAGE],
  ];
  let read = 0;
  for (let i = 0; i < rounds(20_000); i++) {
    const sound = `${luck.pick(['spf', 'dkim', 'DMARC'])}=${luck.pick(['pass', 'Fail', 'none'])}`;
    const given = luck.text([sound, sound, ', ', ...pieces], 8);
    try {
      const results = recordedResults(given);
      const parts = given.split(',').filter(part => part.trim() !== '');
      assert.deepEqual(
        results.map(({ method, result }) => `${method}=${result}`),
        parts.map(part => part.trim().toLowerCase()),
        JSON.stringify(given),
      );
      for (const { method, result } of results) assert.match(`${method}=${result}`, /^(?:spf|dkim|dmarc)=[a-z]{4,9}$/);
      if (results.length > 0) read++;
    } catch (error) {
      assert.ok(error instanceof UsageError, String(error));
      assert.doesNotMatch(error.message, UNSAFE);
      assert.ok(!error.message.includes('\n') && error.message.length < 600, error.message);
    }
  }
  assert.ok(read > rounds(100), `${read} were read`);
});
