// The examples of every manual page are run as they stand, beside a gateway. And what --help prints is docs/commands.md.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { examplesOf, fullName, manualPage } from '../../src/cli/manual.ts';
import { everyCommand } from '../../src/cli/manual-docs.ts';
import { program } from '../../src/cli/program.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { type RunningPostern, runPostern, startPostern } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail, withEicar } from '../support/send.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const COPY = '01k9x2m4q8a7b3c5d6-1';
const COMMANDS = everyCommand(program());

test('every example of a manual page does what it is there for', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  // As an example of `trace` calls it.
  hop.steps = { dot: '250 2.0.0 Ok: queued as 4c2gXz1Wn5zKf' };
  const postern = await startPostern(t, {
    settings: `domains: {example.org: {nextHop: "${hop.smtp}"}}\nscanners: {dnsLists: {lists: []}}`,
  });
  furnish(postern.folder);
  const to = {};
  assert.match(await sendMail(postern.port, { ...to, content: message('plain', 'hello') }), /^250/);
  const runs = new Set(COMMANDS.flatMap(command => examplesOf(command).map(({ run }) => run)));
  assert.ok(runs.size > 20, `${runs.size}`);
  for (const run of runs) {
    // The gateway of this test runs by one of them already; the other one's settings are the administrator's.
    if (run.startsWith('postern serve')) continue;
    await t.test(run, () => works(postern, run));
  }
});

async function works(postern: RunningPostern, run: string): Promise<void> {
  const copy = run.includes(COPY.slice(0, -2)) ? await held(postern) : COPY;
  const line = run.replace(COPY, copy).replace(COPY.slice(0, -2), copy.slice(0, -2));
  const { code, stderr } = await shell(line, postern.folder);
  // Doctor may find something down on the machine of a test: it has no MX record and perhaps no signatures.
  if (!(run.startsWith('postern doctor') && code === 1)) assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /--help says more/);
}

/** A copy in quarantine of its own: an example may release or delete it. */
async function held({ port, cli }: RunningPostern): Promise<string> {
  assert.match(await sendMail(port, { content: withEicar('held') }), /^250/);
  return (await cli('quarantine', 'list', '-q', '--limit', '1')).stdout.trim();
}

function furnish(folder: string): void {
  const folders = ['mails', 'rules/local', '.zfunc', '.config/fish/completions'];
  const bash = '.local/share/bash-completion/completions';
  for (const path of [...folders, bash]) mkdirSync(join(folder, path), { recursive: true });
  for (const path of ['message.eml', 'mails/1']) writeFileSync(join(folder, path), message('file', 'hello'));
}

function shell(line: string, cwd: string): Promise<{ code: number; stderr: string }> {
  const env = { ...process.env, PATH: `${join(ROOT, 'bin')}:${process.env['PATH']}`, HOME: cwd };
  return new Promise(done => {
    execFile('bash', ['-c', line], { cwd, env, timeout: 60_000 }, (error, _, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 255, stderr }),
    );
  });
}

test('--help prints the page that docs/commands.md has', async () => {
  const page = readFileSync(join(ROOT, 'docs/commands.md'), 'utf8');
  for (const command of COMMANDS) assert.ok(page.includes(manualPage(command, 80)), fullName(command));
  for (const args of [['--help'], ['help', 'trace'], ['quarantine', 'list', '--help']]) {
    const said = await runPostern(args, ROOT);
    assert.equal(said.code, 0);
    assert.ok(page.includes(said.stdout), args.join(' '));
  }
});
