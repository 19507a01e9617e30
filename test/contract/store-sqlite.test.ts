// SQLite as the store: the contract, and what only SQLite has.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';

import { MailError } from '../../src/mail/error.ts';
import { CommitUnknown } from '../../src/store/failure.ts';
import { SCHEMA_VERSION } from '../../src/store/migrations.ts';
import { eventStep, recordSteps } from '../../src/store/record-rows.ts';
import { openReadOnly, openStore } from '../../src/store/store.ts';
import { ledgerRecord, newId, temporaryFolder } from '../support/sample-record.ts';
import { storeContract } from './store.ts';

storeContract('sqlite', async (t, options = {}) => {
  const store = await openStore({ path: join(await temporaryFolder(t), 'postern.db'), ...options });
  t.after(() => store.close());
  return store;
});

const note = { message_id: 'x', copy_id: null, at: 1, who: 'test', what: 'note', words: 'w' };

test('the file and its log are for us alone', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path });
  t.after(() => store.close());
  await store.write(db => [eventStep(db, note)]);
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('another process reads while the gateway writes, and cannot write', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path });
  t.after(() => store.close());
  const reader = await openReadOnly({ path });
  t.after(() => reader.close());
  await store.write(db => [eventStep(db, note)]);
  assert.equal((await reader.read(db => db.selectFrom('events').select('words'))).length, 1);
  await assert.rejects(
    reader.read(db => db.insertInto('events').values(note).returning('event_id')),
    /read-only/,
  );
});

test('opened again, the data is there and migrations do not run twice', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  for (let i = 1; i <= 2; i++) {
    const store = await openStore({ path });
    await store.write(db => [eventStep(db, note)]);
    assert.equal((await store.read(db => db.selectFrom('events').select('words'))).length, i);
    assert.equal((await store.read(db => db.selectFrom('migrations').selectAll())).length, SCHEMA_VERSION);
    await store.close();
  }
});

test('a database of a newer program is not touched', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  await (await openStore({ path })).close();
  const database = new DatabaseSync(path);
  database.exec('INSERT INTO migrations VALUES (999, 0)');
  database.close();
  await assert.rejects(openStore({ path }), /schema 999.*newer Postern/);
  await assert.rejects(openReadOnly({ path }), /schema 999.*newer Postern/);
});

test('a file that is no database is named as such', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  await writeFile(path, 'this is no database at all, but long enough to have a header of one hundred bytes'.repeat(5));
  await assert.rejects(openStore({ path }), error => error instanceof MailError && /no database/.test(error.message));
});

test('a missing database cannot be read and is not made', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  await assert.rejects(openReadOnly({ path }), /cannot be opened/);
  assert.throws(() => statSync(path), /ENOENT/);
});

test('a lock of another process is waited for, then named', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path, busyMs: 50 });
  t.after(() => store.close());
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(
    store.write(db => [eventStep(db, note)]),
    error => error instanceof MailError && error.reply.code === 451 && /locked by another process/.test(error.message),
  );
  other.exec('ROLLBACK');
  other.close();
  await store.write(db => [eventStep(db, note)]);
});

test('a write without an answer in time is neither done nor undone, and says so', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path, busyMs: 5000, deadlineMs: 50 });
  t.after(() => store.close());
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(
    store.write(db => [eventStep(db, note)]),
    error => error instanceof CommitUnknown && /no answer within 50 ms/.test(error.message),
  );
  other.exec('ROLLBACK');
  other.close();
});

test('rows that break a rule of the schema are refused', async t => {
  const store = await openStore({ path: join(await temporaryFolder(t), 'postern.db') });
  t.after(() => store.close());
  const record = ledgerRecord({ id: newId() });
  // A copy without its message.
  await assert.rejects(
    store.write(db => recordSteps(db, record).slice(1)),
    /FOREIGN KEY/,
  );
});

test('a page from a damaged file is an error that says what to do', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path });
  for (let i = 0; i < 50; i++) await store.write(db => recordSteps(db, ledgerRecord({ id: newId() })));
  await store.close();
  const { size } = statSync(path);
  const bytes = Buffer.alloc(size - 4096, 0x5a);
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, 4096);
  await file.close();
  await chmod(path, 0o600);
  await assert.rejects(async () => {
    const damaged = await openStore({ path });
    t.after(() => damaged.close());
    await damaged.read(db => db.selectFrom('messages').selectAll());
  }, /damaged/);
});
