import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';

import type { MailId } from '../../../src/mail/mail-id.ts';
import { ItemFiles } from '../../../src/quarantine/item-files.ts';
import { newId, spoolEntry, temporaryFolder } from '../../support/sample-record.ts';

const DAY_MS = Date.UTC(2026, 10, 23, 12);

async function world(t: TestContext) {
  const folder = await temporaryFolder(t);
  const root = join(folder, 'quarantine');
  await mkdir(root);
  const entry = async () => {
    const id = newId(DAY_MS);
    const path = join(folder, `${id}.eml`);
    await writeFile(path, 'x');
    return { ...spoolEntry(id), content: { path } };
  };
  return { root, entry };
}

test('I1: the second hold into a new folder waits until the path of it is on disk', async t => {
  const { root, entry } = await world(t);
  const disk = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const files = new ItemFiles(root, async () => {
    asked.resolve();
    await disk.promise;
  });
  const done: string[] = [];
  const first = files.take(await entry(), '{}').then(() => done.push('first'));
  await asked.promise;
  const second = files.take(await entry(), '{}').then(() => done.push('second'));
  const other = new ItemFiles(root);
  // As long as it takes to hold one on a disk that answers at once.
  await other.take(await entry(), '{}');
  await other.take(await entry(), '{}');
  assert.deepEqual(done, []);
  disk.resolve();
  await Promise.all([first, second]);
});

test('I1: a path that could not be brought to disk is tried again by the next hold', async t => {
  const { root, entry } = await world(t);
  const synced: string[] = [];
  const fails = { left: 1 };
  const files = new ItemFiles(root, async path => {
    if (fails.left-- > 0) throw new Error('EIO');
    synced.push(path);
  });
  await assert.rejects(files.take(await entry(), '{}'), /cannot be kept/);
  const last = await entry();
  await files.take(last, '{}');
  const month = dirname(dirname(files.paths(last.id).bytes));
  assert.deepEqual(synced, [month, dirname(month), root]);
  await files.take(await entry(), '{}');
  assert.equal(synced.length, 3);
  // Taken away by hand, and made again.
  await rm(join(root, '2026'), { recursive: true });
  await files.take(await entry(), '{}');
  assert.equal(synced.length, 6);
});

test('bytes from memory are kept as those of a file, and never over bytes that are there', async t => {
  const { root } = await world(t);
  const files = new ItemFiles(root);
  const inMemory = (id: MailId, text: string) => ({ ...spoolEntry(id), content: { bytes: Buffer.from(text) } });
  const id = newId(DAY_MS);
  await files.take(inMemory(id, 'first'), '{}');
  const { bytes } = files.paths(id);
  assert.equal(await readFile(bytes, 'utf8'), 'first');
  assert.equal((await stat(bytes)).mode & 0o777, 0o600);
  await assert.rejects(files.take(inMemory(id, 'second'), '{}'), /cannot be kept/);
  assert.equal(await readFile(bytes, 'utf8'), 'first');
});
