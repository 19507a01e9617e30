import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { lockFolder } from '../../../src/store/folder-lock.ts';

const MODULE = new URL('../../../src/store/folder-lock.ts', import.meta.url).href;

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-lock-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'lock');
}

test('a second process does not get the lock until the first has died, by whatever means', async t => {
  const path = place(t);
  const script = `import { lockFolder } from ${JSON.stringify(MODULE)};
    console.log(lockFolder(process.argv[1]) === null ? 'no' : 'yes'); setInterval(() => {}, 1000);`;
  const start = () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  const first = start();
  assert.match(String(await once(first.stdout, 'data')), /yes/);
  assert.equal(lockFolder(path), null);
  const ended = once(first, 'exit');
  first.kill('SIGKILL');
  await ended;
  const release = lockFolder(path);
  assert.notEqual(release, null);
  const second = start();
  assert.match(String(await once(second.stdout, 'data')), /no/);
  release?.();
});

test('what was given back can be had again, by us alone to read', t => {
  const path = place(t);
  lockFolder(path)?.();
  const release = lockFolder(path);
  assert.notEqual(release, null);
  release?.();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a file that is no lock is named, not taken for a running gateway', t => {
  const path = place(t);
  writeFileSync(path, 'x'.repeat(5000));
  assert.throws(() => lockFolder(path), /not a database/);
});
