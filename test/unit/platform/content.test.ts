import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { PIECE_BYTES, readPieces, readWhole } from '../../../src/platform/content.ts';
import { temporaryFolder } from '../../support/sample-record.ts';

async function file(t: TestContext, content: string): Promise<string> {
  const path = join(await temporaryFolder(t), 'file');
  await writeFile(path, content, 'latin1');
  return path;
}

async function read(path: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readPieces({ path })) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

const openFiles = () => readdirSync('/proc/self/fd').length;

test('it is the whole file, however large', async t => {
  const content = 'ab\xff'.repeat(PIECE_BYTES);
  assert.equal(await read(await file(t, content)), content);
  assert.equal(await read(await file(t, '')), '');
});

test('bytes in memory come in pieces too, and as they are', async () => {
  const bytes = Buffer.from('ab\xff'.repeat(PIECE_BYTES), 'latin1');
  const pieces: Uint8Array[] = [];
  for await (const piece of readPieces({ bytes })) pieces.push(piece);
  assert.equal(pieces.length, 3);
  assert.deepEqual(Buffer.concat(pieces), bytes);
  assert.equal(await readWhole({ bytes }), bytes);
});

test('a file is read whole', async t => {
  assert.equal(Buffer.from(await readWhole({ path: await file(t, 'ab\xff') })).toString('latin1'), 'ab\xff');
});

test('a missing file is an error when the first piece is asked for', async t => {
  await assert.rejects(read(join(await temporaryFolder(t), 'none')), /ENOENT/);
});

test('a reader that stops early leaves no file open', async t => {
  const path = await file(t, 'x'.repeat(3 * PIECE_BYTES));
  const before = openFiles();
  for await (const piece of readPieces({ path })) {
    assert.equal(piece.length, PIECE_BYTES);
    break;
  }
  assert.equal(openFiles(), before);
});
