import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { MailError } from '../../../src/mail/error.ts';
import { ReadEnd } from '../../../src/store/read-end.ts';
import { Sqlite } from '../../../src/store/sqlite.ts';
import { temporaryFolder } from '../../support/sample-record.ts';
import { threadStarts } from '../../support/thread-starts.ts';
import { waitFor } from '../../support/wait-for.ts';

const QUESTION = [{ sql: 'SELECT max(version) > 0 AS n FROM migrations', parameters: [], mustChange: null }];
const ANSWER = [{ n: 1 }];

async function reader(t: TestContext, startMs?: number) {
  const path = join(await temporaryFolder(t), 'postern.db');
  Sqlite.openWriter({ path, busyMs: 50 }).close();
  const { clients, fails, hangs, start } = threadStarts(path, 'reader');
  const made = await ReadEnd.open(start, startMs);
  t.after(() => made.close());
  const ask = async () => {
    const answer = await made.ask(QUESTION);
    return 'rows' in answer ? answer.rows : [];
  };
  return { ask, clients, fails, hangs, made };
}

test('a reading thread that died is started again by the next question, once for all who ask', async t => {
  const { ask, clients } = await reader(t);
  await clients[0]?.close();
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [ANSWER, ANSWER, ANSWER]);
  assert.equal(clients.length, 2);
});

test('a reading thread that cannot be started is tried again', async t => {
  const { ask, clients, fails } = await reader(t);
  fails.left = 1;
  await clients[0]?.close();
  await assert.rejects(ask(), /the test says no/);
  await waitFor('another thread', () =>
    ask().then(
      rows => rows.length === 1,
      () => false,
    ),
  );
  assert.equal(clients.length, 2);
});

test('a start that hangs is given up by who asks, no second one is made, and the late thread is used', async t => {
  const { ask, clients, hangs } = await reader(t, 20);
  const go = hangs.next();
  await clients[0]?.close();
  const isLate = () =>
    ask().then(
      () => false,
      error => error instanceof MailError && /no answer within 20 ms/.test(error.message),
    );
  assert.equal(await isLate(), true);
  await waitFor('the time between two starts to pass', isLate);
  assert.equal(hangs.starts, 2);
  go();
  await waitFor('the late thread', () =>
    ask().then(
      rows => rows.length === 1,
      () => false,
    ),
  );
  assert.equal(clients.length, 2);
});

test('closing waits for no start that hangs, and the thread that comes late is closed', async t => {
  const { ask, clients, hangs, made } = await reader(t, 60_000);
  const go = hangs.next();
  await clients[0]?.close();
  const asked = assert.rejects(ask(), MailError);
  await made.close();
  await asked;
  assert.equal(clients.length, 1);
  go();
  await waitFor('the late thread to be closed', () => (clients[1]?.over ?? '') !== '');
  await clients[1]?.close();
});

test('a reading end that was closed starts nothing', async t => {
  const { ask, clients, made } = await reader(t);
  await made.close();
  await assert.rejects(ask(), /closed/);
  assert.equal(clients.length, 1);
});
