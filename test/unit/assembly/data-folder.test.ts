import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dataFolderHealth } from '../../../src/assembly/data-folder.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-data-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('a data folder that can be written is well, and nothing is left in it', async t => {
  const folder = folderOf(t);
  mkdirSync(join(folder, 'spool'));
  writeFileSync(join(folder, 'postern.db'), '');
  const health = await dataFolderHealth({ data: folder, diskReserve: 0 });
  assert.equal(health.level, 'ok');
  assert.match(health.says, /free at .*, 0 MiB are kept in reserve/);
  assert.deepEqual(readdirSync(folder).sort(), ['postern.db', 'spool']);
});

test('one that is not there yet is well where it can be made', async t => {
  const folder = folderOf(t);
  const health = await dataFolderHealth({ data: join(folder, 'a/b'), diskReserve: 0 });
  assert.equal(health.level, 'ok');
  assert.deepEqual(readdirSync(folder), []);
});

test('one that cannot be written, or not be made, is down whatever room there is', async t => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'file'), '');
  // In /proc nobody makes anything, root neither.
  for (const data of ['/proc/nowhere', join(folder, 'file'), join(folder, 'file/below')]) {
    const { level, says, next } = await dataFolderHealth({ data, diskReserve: 0 });
    assert.equal(level, 'down', data);
    assert.ok(says.startsWith(`cannot write to ${data}`), says);
    assert.match(says, /\(setting data\): E[A-Z]+$/);
    assert.match(next, /let the user .* write there/);
  }
});

/** What nobody can open, root neither: it leads to itself. */
function unopenable(folder: string, name: string): void {
  symlinkSync(name, join(folder, name));
}

test('what others put beside our files is none of our business', async t => {
  const folder = folderOf(t);
  mkdirSync(join(folder, 'spool'));
  // A disk of its own has root's lost+found, others have folders of snapshots.
  for (const name of ['lost+found', '.snapshot', 'notes.txt']) unopenable(folder, name);
  assert.equal((await dataFolderHealth({ data: folder, diskReserve: 0 })).level, 'ok');
});

for (const name of ['spool', 'keys', 'postern.db', 'postern.db-wal', 'redis', 'lock']) {
  test(`a ${name} of ours that cannot be written is down`, async t => {
    const folder = folderOf(t);
    unopenable(folder, name);
    const { level, says, next } = await dataFolderHealth({ data: folder, diskReserve: 0 });
    assert.equal(level, 'down');
    assert.match(says, /cannot write to .*: ELOOP: was the gateway started as another user once/);
    assert.ok(says.includes(join(folder, name)), says);
    assert.match(next, /^chown -R /);
  });
}

test('without the reserve it is down, and near it there is something to do', async t => {
  const folder = folderOf(t);
  assert.equal((await dataFolderHealth({ data: folder, diskReserve: 2 ** 60 })).level, 'down');
});
