import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeFolder, removeFile, syncFile, syncFolder, writeSafely } from '../../../src/platform/safe-file.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-safe-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a file is replaced as a whole, readable by us alone, and nothing is left beside it', async t => {
  const folder = folderFor(t);
  const path = join(folder, 'a.json');
  await writeSafely(path, 'old');
  await writeSafely(path, 'new');
  assert.equal(readFileSync(path, 'utf8'), 'new');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ['a.json']);
});

test('what cannot be written leaves the old file as it was', async t => {
  const folder = folderFor(t);
  const path = join(folder, 'a.json');
  await writeSafely(path, 'old');
  // A folder where the new content would be written first.
  await makeFolder(`${path}.new`);
  await assert.rejects(writeSafely(path, 'new'));
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

test('folders are made with those above them, for us alone, and twice is the same as once', async t => {
  const path = join(folderFor(t), 'a/b/c');
  await makeFolder(path);
  await makeFolder(path);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('many may make the same folders at once', async t => {
  const folder = folderFor(t);
  for (let round = 0; round < 100; round++) {
    await Promise.all(['a/x', 'a/y', 'a', 'a/x/z', 'b'].map(name => makeFolder(join(folder, String(round), name))));
  }
});

test('a folder that cannot be made is an error, at once', async t => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(makeFolder(join(folder, 'file')), { code: 'EEXIST' });
  await assert.rejects(makeFolder(join(folder, 'file/below')), { code: 'ENOTDIR' });
  await assert.rejects(makeFolder('/proc/postern'));
  await assert.rejects(makeFolder('/proc/postern/below'));
});

test('files and folders that are not there cannot be fsynced, and may be removed', async t => {
  const folder = folderFor(t);
  await syncFolder(folder);
  await assert.rejects(syncFile(join(folder, 'none')), { code: 'ENOENT' });
  await removeFile(join(folder, 'none'));
  await assert.rejects(removeFile(folder), (error: { code?: string }) => error.code !== 'ENOENT');
});
