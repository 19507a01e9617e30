import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';

import { Sqlite } from '../../../src/store/sqlite.ts';
import { openStore } from '../../../src/store/store.ts';
import { Writer } from '../../../src/store/writer.ts';
import { temporaryFolder } from '../../support/sample-record.ts';
import { threadStarts } from '../../support/thread-starts.ts';
import { waitFor } from '../../support/wait-for.ts';

const NOTE = {
  sql: "INSERT INTO events (message_id, copy_id, at, who, what, words) VALUES ('x', NULL, 1, 'test', 'note', 'w')",
  parameters: [],
  mustChange: null,
};

async function writer(t: TestContext, startMs?: number) {
  const path = join(await temporaryFolder(t), 'postern.db');
  const { clients, fails, hangs, start } = threadStarts(path, 'writer');
  const made = await Writer.open(start, startMs);
  t.after(() => made.close());
  return { path, made, clients, fails, hangs };
}

test('a lock of another process is trouble until it is gone, found out without a write', async t => {
  const { path, made } = await writer(t);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(made.ask([NOTE]), /locked by another process/);
  const trouble = () => made.trouble;
  assert.equal(trouble()?.reply, 'notReady');
  const since = trouble()?.since;
  await assert.rejects(made.ask([NOTE]), /locked/);
  assert.equal(trouble()?.since, since);
  other.exec('ROLLBACK');
  await waitFor('the trouble to be over', () => made.trouble === null, 5000);
  assert.equal(other.prepare("SELECT count(*) AS n FROM events WHERE message_id = 'probe'").get()?.n, 0);
  other.close();
});

test('what is wrong with one batch is no trouble of the database', async t => {
  const { made } = await writer(t);
  await assert.rejects(made.ask([{ ...NOTE, mustChange: 2 }]), /expected to change/);
  await assert.rejects(made.ask([{ ...NOTE, sql: 'INSERT INTO absent VALUES (1)' }]), /no such table/);
  assert.equal(made.trouble, null);
});

test('a thread that died is noticed without a write, and started again, also at the second try', async t => {
  const { made, clients, fails } = await writer(t);
  fails.left = 1;
  await clients[0]?.close();
  assert.match(made.trouble?.says ?? '', /closed/);
  await assert.rejects(made.ask([NOTE]), /closed/);
  await waitFor('another thread', () => made.trouble === null, 10_000);
  assert.equal(clients.length, 2);
  await made.ask([NOTE]);
});

test('a start of the writing thread that hangs is trouble with a name, and the late thread is used', async t => {
  const { made, clients, hangs } = await writer(t, 20);
  const go = hangs.next();
  await clients[0]?.close();
  await waitFor('the deadline', () => /no answer within 20 ms/.test(made.trouble?.says ?? ''));
  go();
  await waitFor('the late thread', () => made.trouble === null);
  await made.ask([NOTE]);
  assert.deepEqual([clients.length, hangs.starts], [2, 2]);
});

test('closing the writing end waits for no start that hangs, and the thread that comes late is closed', async t => {
  const { made, clients, hangs } = await writer(t, 60_000);
  const go = hangs.next();
  await clients[0]?.close();
  assert.notEqual(made.trouble, null);
  await waitFor('the start', () => hangs.starts === 2);
  await made.close();
  go();
  await waitFor('the late thread to be closed', () => (clients[1]?.over ?? '') !== '');
  await clients[1]?.close();
});

test('a full database makes senders hear that there is no room', async t => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'postern.db');
  const store = await openStore({ path });
  t.after(() => store.close());
  assert.equal((await store.health()).level, 'ok');
  const limited = Sqlite.openWriter({ path, busyMs: 50 });
  limited.limitPages(1);
  const [full] = limited.writeGroup([[{ ...NOTE, sql: NOTE.sql.replace("'w'", 'hex(zeroblob(100000))') }]]);
  limited.close();
  assert.ok(full !== undefined && 'failure' in full);
  assert.equal(full.failure.kind, 'full');
});

test('health is down while the database cannot be written, and says since when', async t => {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path, busyMs: 50 });
  t.after(() => store.close());
  const other = new DatabaseSync(path);
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(store.write(db => [db.insertInto('migrations').values({ version: 99, applied_at: 0 })]));
  const health = await store.health();
  assert.equal(health.level, 'down');
  assert.match(health.says, /cannot be written since 20.*locked by another process/);
  other.exec('ROLLBACK');
  await waitFor('health', async () => (await store.health()).level === 'ok', 5000);
});
