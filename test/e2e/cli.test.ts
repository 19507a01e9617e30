// What people do wrong, as data (test/bad-input): settings, rules, the command line, SMTP. Each is told what is wrong, where,
// and what to do, with the right exit code. And every command that the documents name is there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { program } from '../../src/cli/program.ts';
import { type FakeHop, startFakeHop } from '../support/fake-hop.ts';
import { type RunningPostern, runPostern, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail, withEicar } from '../support/send.ts';
import { parseScript, play } from '../support/smtp-script.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CASES = join(ROOT, 'test/bad-input');
const files = readdirSync(CASES).sort();

for (const name of files.filter(file => file.endsWith('.txt'))) {
  test(`${name}: says what is wrong, where, and what to do`, async t => {
    const { made, args, exit, stderr } = parseCase(readFileSync(join(CASES, name), 'utf8'));
    const folder = testFolder(t, 'bad');
    for (const [path, text] of made) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      if (!path.endsWith('/')) writeFileSync(join(folder, path), text);
      else mkdirSync(join(folder, path));
    }
    const said = await runPostern(args, folder);
    assert.equal(withoutLog(said.stderr).replaceAll(folder, '{folder}'), stderr);
    assert.equal(said.code, exit);
  });
}

test('there are thirty bad inputs at least', () => {
  assert.ok(files.length >= 30, `${files.length}`);
});

test('help before or below a command is its page', async t => {
  const folder = testFolder(t, 'help');
  for (const [asked, page] of [
    [['help'], ['--help']],
    [
      ['help', 'trace'],
      ['trace', '--help'],
    ],
    [
      ['help', 'quarantine', 'list'],
      ['quarantine', 'list', '--help'],
    ],
    [
      ['quarantine', 'help', 'list'],
      ['quarantine', 'list', '--help'],
    ],
  ] as const) {
    const said = await runPostern(asked, folder);
    assert.deepEqual(said, await runPostern(page, folder));
    assert.equal(said.code, 0);
  }
  const file = await runPostern(['check', '--offline', 'help'], folder);
  assert.match(file.stderr, /help: there is no such file/, 'a value that is called so is none');
});

test('what a running gateway is asked wrongly, it says no to, with a reason and exit code 1', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: `domains: {example.org: {nextHop: "${hop.smtp}"}}\nscanners: {dnsLists: {lists: []}}`,
  });
  await t.test('by SMTP', async () => {
    for (const name of files.filter(file => file.endsWith('.smtp')))
      await play(parseScript(readFileSync(join(CASES, name), 'utf8')), postern.port);
  });
  await t.test('an id, an address, half an address that nobody knows', () => unknown(postern));
  await t.test('ps and top call it by its name', () => {
    assert.equal(readFileSync(`/proc/${postern.child.pid}/comm`, 'utf8').trim(), 'postern');
  });
  await t.test('a second gateway on the same data', async () => {
    const said = await postern.cli('serve');
    assert.match(
      said.stderr,
      /^postern: a gateway is running on .* already: stop it first, or name another data folder$/m,
    );
    assert.equal(said.code, 1);
  });
  hop.steps = { dot: '250 2.0.0 queued as 4c2gXz1Wn5' };
  await t.test('a held copy twice', () => releasedTwice(postern));
  await t.test('a held copy whose next hop is away', () => releasedInVain(postern, hop));
});

async function unknown(postern: RunningPostern): Promise<void> {
  const id = '01k9x2m4q8a7b3c5d6';
  const no = async (args: string[], expected: string) => {
    const said = await postern.cli(...args);
    assert.equal(said.stderr.replaceAll(postern.folder, '{folder}'), `postern: ${expected}\n`);
    assert.equal(said.code, 1, args.join(' '));
    assert.equal(said.stdout, '');
  };
  const records = 'in the records of {folder}/data';
  const half = '  it is no id (18 characters) and no whole address: a part of one finds nothing';
  await no(['trace', id], `no message ${id} ${records}`);
  await no(['trace', 'nobody@example.org'], `nothing from, to or by nobody@example.org ${records}`);
  await no(['trace', 'example.org'], `nothing from, to or by example.org ${records}\n${half}`);
  await no(['trace', '\u001b[31m@x'], `nothing from, to or by \\x1b[31m@x ${records}`);
  await no(['quarantine', 'release', `${id}-1`], `no copy ${id}-1 in quarantine`);
  await no(['quarantine', 'delete', `${id}-1`], `no copy ${id}-1 in quarantine`);
  const shown = `no copy ${id}-1 in quarantine (postern quarantine list shows what is there)`;
  await no(['quarantine', 'show', `${id}-1`], shown);
}

async function releasedTwice(postern: RunningPostern): Promise<void> {
  assert.match(await sendMail(postern.port, { content: withEicar('held') }), /^250/);
  const [line = ''] = (await postern.cli('quarantine', 'list', '--json')).stdout.split('\n');
  const { copyId } = JSON.parse(line) as { copyId: string };
  const raw = await postern.cli('quarantine', 'show', copyId, '--raw');
  assert.equal(raw.stdout, withEicar('held').toString().replace(/\r?\n/g, '\r\n'), 'byte for byte what came');
  const first = await postern.cli('quarantine', 'release', copyId);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^Released .* said: 250 /);
  // As it was read aloud, and as the next hop calls it.
  assert.match((await postern.cli('trace', copyId.toUpperCase())).stdout, new RegExp(`Copy ${copyId} .* is released`));
  assert.match(
    (await postern.cli('trace', '4C2GXZ1WN5', '--since', '1h')).stdout,
    /250 2\.0\.0 queued as 4c2gXz1Wn5 +held/,
  );
  assert.match(
    (await postern.cli('trace', '4c2gXz1Wn5', '--since', 'noon')).stderr,
    /^postern: --since noon: expected an age/,
  );
  const second = await postern.cli('quarantine', 'release', copyId);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`^postern: copy ${copyId} is released since .* said: 250 `));
  assert.equal((await postern.cli('quarantine', 'list')).stdout, 'Nothing is held.\n');
}

async function releasedInVain(postern: RunningPostern, hop: FakeHop): Promise<void> {
  assert.match(await sendMail(postern.port, { content: withEicar('held again') }), /^250/);
  const { copyId } = JSON.parse((await postern.cli('quarantine', 'list', '--json')).stdout) as { copyId: string };
  hop.steps = { MAIL: '452 4.3.1 no room' };
  const refused = await postern.cli('quarantine', 'release', copyId);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^postern: not released: 452 4\.3\.1 no room\n {2}.*the copy is still held/);
  await hop.stop();
  const failed = await postern.cli('quarantine', 'release', copyId);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /^postern: not released: smtp:.*ECONNREFUSED.*\n {2}nobody has got it; .* still held/);
}

test('check judges files in the order they were named, without settings, Redis or a gateway', async t => {
  const folder = testFolder(t, 'check');
  writeFileSync(join(folder, 'b.eml'), message('plain', 'hello'));
  mkdirSync(join(folder, 'mails'));
  writeFileSync(join(folder, 'mails/2'), message('second', 'hello'));
  writeFileSync(join(folder, 'mails/1'), message('first', 'hello'));
  const args = ['check', '--json', '--offline', '--auth', 'spf=pass,dkim=fail', 'b.eml', '-', 'mails'];
  const said = await runPostern(args, folder, message('piped', 'hello').replaceAll('\r\n', '\n'));
  assert.equal(said.code, 0, said.stderr);
  assert.equal(said.stderr, '');
  const lines = said.stdout.trimEnd().split('\n');
  const results = lines.map(line => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    results.map(result => result['file']),
    ['b.eml', '-', 'mails/1', 'mails/2'],
  );
  for (const result of results) {
    assert.deepEqual(Object.keys(result), ['file', 'outcome', 'score', 'reasons', 'findings', 'unavailable', 'ms']);
    assert.deepEqual(result['unavailable'], []);
    const findings = result['findings'] as Record<string, unknown>[];
    const fail = findings.find(finding => finding['symbol'] === 'DKIM_FAIL');
    assert.deepEqual(Object.keys(fail ?? {}), ['kind', 'symbol', 'points', 'scanner', 'evidence']);
    assert.ok(findings.some(finding => finding['symbol'] === 'spf=pass' && finding['kind'] === 'auth'));
  }
  assert.ok(!existsSync(join(folder, 'data')), 'check makes no data folder');
});

test('check says of each file that cannot be read which, judges the others, and ends with 1', async t => {
  const folder = testFolder(t, 'check');
  writeFileSync(join(folder, 'a.eml'), message('plain', 'hello'));
  mkdirSync(join(folder, 'void'));
  const said = await runPostern(['check', '--offline', 'a.eml', 'void'], folder);
  assert.match(said.stdout, /^a\.eml: accept, score /);
  assert.equal(said.code, 0);
  const none = await runPostern(['check', '--offline', 'void'], folder);
  assert.equal(none.code, 1);
});

test('a reader that has seen enough gets no stack trace', async t => {
  const folder = testFolder(t, 'pipe');
  const said = await shell(`'${join(ROOT, 'bin/postern')}' check --offline --json '${CASES}' | head -c 1`, folder);
  assert.equal(said.stdout, '{');
  assert.equal(said.stderr, '');
});

test('every command that the documents name exists', () => {
  const documents = ['README.md', ...readdirSync(join(ROOT, 'docs')).map(name => `docs/${name}`)];
  const named = documents
    .filter(name => name.endsWith('.md'))
    .flatMap(name => commandsOf(readFileSync(join(ROOT, name), 'utf8')).map(words => ({ name, words })));
  assert.ok(named.length > 10, 'the documents name commands');
  for (const { name, words } of named) assert.ok(isCommand(words), `${name}: postern ${words.join(' ')}`);
  assert.ok(!isCommand(['quarantine', 'relase']), 'a command that is not there is noticed');
});

/** `bin/postern quarantine list` and the like, in code of any form: the words that follow. */
function commandsOf(text: string): string[][] {
  const code = [...text.matchAll(/^```[^\n]*\n(.*?)^```|^ {4}\S[^\n]*|`([^`\n]+)`/gms)]
    .map(([all]) => all)
    .join('\n')
    .replace(/(?<=^|\s)# .*$/gm, '');
  return [...code.matchAll(/(?:^ *|[`|(] *|\/)postern ((?:[a-z]+ ?)+)/gm)].map(([, words = '']) =>
    words.trim().split(' '),
  );
}

function isCommand(words: readonly string[]): boolean {
  const [first = '', second = ''] = words;
  if (first === 'help') return true;
  const command = program().commands.find(one => one.name() === first);
  if (command === undefined || command.commands.length === 0 || second === '') return command !== undefined;
  return command.commands.some(one => one.name() === second);
}

interface Case {
  readonly made: ReadonlyMap<string, string>;
  readonly args: readonly string[];
  readonly exit: number;
  readonly stderr: string;
}

/** `--- file NAME`, `--- run postern …`, `--- exit N`, `--- stderr`, each with the lines below it. */
function parseCase(text: string): Case {
  const made = new Map<string, string>();
  let found: Omit<Case, 'made'> = { args: [], exit: -1, stderr: '' };
  for (const section of text.split(/^--- /m).slice(1)) {
    const [head = '', ...lines] = section.split('\n');
    const [word = '', ...rest] = head.split(' ');
    const value = rest.join(' ');
    const body = lines.join('\n');
    if (word === 'file') made.set(value, body);
    else if (word === 'run') found = { ...found, args: argumentsOf(value) };
    else if (word === 'exit') found = { ...found, exit: Number(value) };
    else if (word === 'stderr') found = { ...found, stderr: body };
    else throw new Error(`unknown section ${word}`);
  }
  return { made, ...found };
}

function argumentsOf(text: string): string[] {
  const [first, ...args] = text.split(' ');
  assert.equal(first, 'postern');
  return args.map(arg => (arg === '""' ? '' : arg));
}

function shell(command: string, cwd: string): Promise<{ stdout: string; stderr: string }> {
  return new Promise(done => execFile('sh', ['-c', command], { cwd }, (_, stdout, stderr) => done({ stdout, stderr })));
}

/** The log is for programs; the last words are for the person. */
function withoutLog(stderr: string): string {
  return stderr.replace(/^\{.*\n/gm, '');
}
