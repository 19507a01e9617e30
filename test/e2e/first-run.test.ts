// What a newcomer sees: no settings at all, five samples, a table.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { isOurs } from '../../src/assembly/places.ts';
import { hasSignatures } from '../../src/platform/clamd.ts';
import { testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { waitFor } from '../support/wait-for.ts';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/postern');

test('the first start sends samples through itself and says what became of each; the second does not', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const folder = testFolder(t, 'first');
  // Only the ports differ from a start without settings: 2525 may be taken on the machine of a test.
  const ports = 'listeners: [{name: public, address: "127.0.0.1:0"}]\nhttp: off\n';
  writeFileSync(join(folder, 'postern.yaml'), ports);
  const first = await run(folder, /Write a postern\.yaml/);
  assert.match(first, /plain mail\s+relayed/);
  assert.match(first, /newsletter\s+relayed/);
  assert.match(first, /GTUBE, the test spam\s+refused/);
  assert.match(first, /EICAR, the test virus\s+held/);
  assert.match(first, /from outside, with your own address\s+held/);
  assert.match(first, /postern trace [0-9a-z]{18}/);
  assert.equal(/run freshclam before real mail/.test(first), !(await hasSignatures('/var/lib/clamav')));
  assert.equal(readdirSync(join(folder, 'data/mailbox/new')).length, 2, 'the plain mail and the newsletter arrived');
  const strangers = readdirSync(join(folder, 'data')).filter(name => !isOurs(name));
  assert.deepEqual(strangers, [], 'doctor does not look at these');
  const second = await run(folder, /Write a postern\.yaml/);
  assert.doesNotMatch(second, /GTUBE/);
});

async function run(folder: string, until: RegExp): Promise<string> {
  const child = spawn(LAUNCHER, ['serve'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let errors = '';
  child.stdout.on('data', chunk => {
    said += chunk;
  });
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const ended = new Promise<number | null>(done => child.once('close', code => done(code)));
  try {
    await waitFor(
      'the end of the start',
      () => {
        if (child.exitCode !== null) throw new Error(`ended: ${said}\n${errors}`);
        return until.test(said);
      },
      90_000,
    );
  } finally {
    child.kill('SIGTERM');
  }
  assert.equal(await ended, 0);
  return said;
}
