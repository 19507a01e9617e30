// The spool in files: the contract, and what only files have.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { MailError } from '../../src/mail/error.ts';
import type { MailId } from '../../src/mail/mail-id.ts';
import type { SpoolDraft } from '../../src/mail/ports.ts';
import { openFileSpool } from '../../src/spool/file-spool.ts';
import { type MemoryLimits, memoryFirst } from '../../src/spool/memory-first.ts';
import { needs, passOver } from '../support/require.ts';
import { envelope, newId, session, temporaryFolder } from '../support/sample-record.ts';
import { type SpoolUnderTest, spoolContract } from './spool.ts';

spoolContract('files', async t => {
  let free = 1e12;
  const folder = await temporaryFolder(t);
  const spool = await openFileSpool({ folder, reserveBytes: 1000, freeBytes: async () => free });
  return {
    spool,
    setFree: bytes => {
      free = bytes;
    },
  };
});

spoolContract('memory first', t => memoryFirstSpool(t, { messageBytes: 1_000_000, totalBytes: 4_000_000 }));
spoolContract('memory that is full', t => memoryFirstSpool(t, { messageBytes: 1_000_000, totalBytes: 0 }));
spoolContract('memory for little', t => memoryFirstSpool(t, { messageBytes: 3, totalBytes: 3 }));

async function memoryFirstSpool(t: TestContext, limits: MemoryLimits): Promise<SpoolUnderTest> {
  let free = 1e12;
  const folder = await temporaryFolder(t);
  const files = await openFileSpool({ folder, reserveBytes: 1000, freeBytes: async () => free });
  return {
    spool: memoryFirst(files, limits),
    setFree: bytes => {
      free = bytes;
    },
  };
}

test('a small message is in memory and in no file, a larger one in a file alone', async t => {
  const folder = await temporaryFolder(t);
  const spool = memoryFirst(await openFileSpool({ folder, reserveBytes: 0 }), { messageBytes: 100, totalBytes: 1000 });
  const stored = async (...chunks: readonly string[]) => {
    const draft = await spool.create(newId());
    for (const chunk of chunks) await draft.write(Buffer.from(chunk));
    return draft.seal(session(), envelope('', ['a@example.com']));
  };
  const small = await stored('x'.repeat(60), 'y'.repeat(40));
  assert.ok('bytes' in small.content);
  assert.equal(Buffer.from(small.content.bytes).toString(), 'x'.repeat(60) + 'y'.repeat(40));
  assert.deepEqual(await readdir(folder), []);
  const large = await stored('x'.repeat(60), 'y'.repeat(41), 'z');
  assert.ok('path' in large.content);
  assert.equal(await readFile(large.content.path, 'utf8'), `${'x'.repeat(60)}${'y'.repeat(41)}z`);
});

test('memory that was given back is there for the next message, whatever became of the one before', async t => {
  const folder = await temporaryFolder(t);
  const spool = memoryFirst(await openFileSpool({ folder, reserveBytes: 0 }), { messageBytes: 100, totalBytes: 100 });
  const ends: readonly ((draft: SpoolDraft, id: MailId) => Promise<unknown>)[] = [
    draft => draft.discard(),
    async draft => {
      await draft.seal(session(), envelope('', ['a@example.com']));
      await draft.discard();
    },
    // Too large for memory.
    async draft => {
      await draft.write(Buffer.alloc(100));
      await draft.discard();
    },
    async (_, id) => spool.remove(id),
  ];
  for (let i = 0; i < 3; i++) {
    for (const end of ends) {
      const id = newId();
      const draft = await spool.create(id);
      await draft.write(Buffer.from('x'));
      const other = await spool.create(newId());
      await other.write(Buffer.from('y'));
      assert.equal((await readdir(folder)).length, 1, 'the second one finds no room');
      await end(draft, id);
      await other.discard();
      assert.deepEqual(await readdir(folder), []);
    }
  }
});

test('a sealed message takes no more memory than it has bytes', async t => {
  const KIB = 1024;
  const folder = await temporaryFolder(t);
  const limits = { messageBytes: 128 * KIB, totalBytes: 64 * KIB };
  const spool = memoryFirst(await openFileSpool({ folder, reserveBytes: 0 }), limits);
  const drafts: SpoolDraft[] = [];
  for (let i = 0; i < 50; i++) {
    const draft = await spool.create(newId());
    await draft.write(Buffer.alloc(KIB, 'x'));
    const { content } = await draft.seal(session(), envelope('', ['a@example.com']));
    assert.ok('bytes' in content && content.bytes.buffer.byteLength === KIB, `message ${i}`);
    drafts.push(draft);
  }
  for (const draft of drafts) await draft.discard();
  const large = await spool.create(newId());
  await large.write(Buffer.alloc(64 * KIB));
  assert.deepEqual(await readdir(folder), [], 'all room is there again');
});

test('the folder and every file in it are for us alone', async t => {
  const folder = join(await temporaryFolder(t), 'data', 'spool');
  const spool = await openFileSpool({ folder, reserveBytes: 0 });
  const draft = await spool.create(newId());
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  const before = await readdir(folder);
  await draft.seal(session(), envelope('', ['a@example.com']));
  for (const name of [...before.filter(name => !name.endsWith('.part')), ...(await readdir(folder))]) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  }
});

const DAMAGE: readonly { what: string; change: (text: string) => string; says: RegExp }[] = [
  { what: 'cut short', change: text => text.slice(0, 50), says: /JSON/ },
  { what: 'empty', change: () => '', says: /JSON/ },
  { what: 'a list', change: () => '[]', says: /no object/ },
  { what: 'of another version', change: text => text.replace('"version":1', '"version":2'), says: /version 2/ },
  {
    what: 'of another message',
    change: text => text.replace(/"id":"\w{18}"/, `"id":"${newId()}"`),
    says: /envelope file of/,
  },
  { what: 'without recipients', change: text => text.replace('"rcptTo"', '"other"'), says: /no recipients/ },
  {
    what: 'of another size',
    change: text => text.replace(/"sizeBytes":\d+/, '"sizeBytes":7'),
    says: /the envelope says 7/,
  },
  { what: 'with a wrong digest', change: text => text.replace(/"sha256":"\w+"/, '"sha256":"x"'), says: /sha256/ },
];

for (const { what, change, says } of DAMAGE) {
  test(`an envelope file that is ${what} is refused with 451 and the reason`, async t => {
    const folder = await temporaryFolder(t);
    const spool = await openFileSpool({ folder, reserveBytes: 0 });
    const draft = await spool.create(newId());
    await draft.write(Buffer.from('bytes'));
    const { id } = await draft.seal(session(), envelope('', ['a@example.com']));
    const path = join(folder, `${id}.json`);
    await writeFile(path, change(await readFile(path, 'utf8')));
    await assert.rejects(spool.open(id), error => {
      assert.ok(error instanceof MailError && error.reply.code === 451);
      assert.match(String(error.cause), says);
      return true;
    });
  });
}

test('files of other names in the folder are not messages', async t => {
  const folder = await temporaryFolder(t);
  const spool = await openFileSpool({ folder, reserveBytes: 0 });
  await writeFile(join(folder, 'README.eml'), 'x');
  assert.deepEqual(await spool.list(), []);
});

test('a disk that is really full gives 452 and leaves nothing behind', async t => {
  if (!needs(t, 'unshare', 'mount')) return;
  const folder = await temporaryFolder(t);
  const script = `
    import { readdir } from 'node:fs/promises';
    import { openFileSpool } from ${JSON.stringify(new URL('../../src/spool/file-spool.ts', import.meta.url).href)};
    const folder = ${JSON.stringify(folder)};
    const spool = await openFileSpool({ folder, reserveBytes: 0, freeBytes: async () => 1e12 });
    const draft = await spool.create('0123456789abcdefgh');
    let said = 'written';
    for (let i = 0; i < 64 && said === 'written'; i++) {
      said = await draft.write(Buffer.alloc(65536)).then(() => 'written', error => String(error.reply.code));
    }
    console.log(said, (await readdir(folder)).length);`;
  const mounted = `mount -t tmpfs -o size=1m tmpfs "${folder}" || exit 77; exec "$0" --input-type=module -e "$1"`;
  const run = spawnSync('unshare', ['-rm', 'sh', '-c', mounted, process.execPath, script], { encoding: 'utf8' });
  if (run.status === 77 || /unshare/.test(run.stderr)) {
    passOver(t, `no private mounts here: ${run.stderr.trim()}`);
    return;
  }
  assert.equal(run.stdout.trim(), '452 0', run.stderr);
});
