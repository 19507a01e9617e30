import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';

import { createLedger } from '../../../src/ledger/ledger.ts';
import { traceById } from '../../../src/ledger/trace.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { openStore } from '../../../src/store/store.ts';
import { ledgerRecord, newId, temporaryFolder } from '../../support/sample-record.ts';
import { waitFor } from '../../support/wait-for.ts';

async function lockedBooks(t: TestContext) {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path, busyMs: 50 });
  t.after(() => store.close());
  const errors: string[] = [];
  const log = { ...silentLog(), error: (_: object, message: string) => void errors.push(message) };
  const other = new DatabaseSync(path);
  t.after(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  return { store, ledger: createLedger(store, log), other, errors };
}

test('I4: what could not be recorded is recorded when the database can be written again, and until then no mail is taken', async t => {
  const { store, ledger, other } = await lockedBooks(t);
  assert.equal(ledger.notReady(), null);
  const records = [newId(), newId()].map(id => ledgerRecord({ id, state: 'relayed' }));
  for (const record of records) {
    await ledger.record(record).catch(error => ledger.recordLater(record, error));
    assert.equal(ledger.notReady(), 'notReady');
  }
  other.exec('ROLLBACK');
  await waitFor('the records', () => ledger.notReady() === null, 10_000);
  for (const { id } of records) assert.equal((await traceById(store, id))?.copies[0]?.state, 'relayed');
});

test('a record that was committed although nobody answered is not written twice', async t => {
  const { store, ledger, other, errors } = await lockedBooks(t);
  other.exec('ROLLBACK');
  const record = ledgerRecord({ id: newId(), state: 'relayed' });
  await ledger.record(record);
  ledger.recordLater(record, new Error('no answer'));
  await waitFor('the books', () => ledger.notReady() === null, 10_000);
  assert.equal((await traceById(store, record.id))?.events.length, 1);
  assert.ok(!errors.includes('never recorded'));
});

test('closing writes what is kept; what cannot be written is in the log', async t => {
  const { store, ledger, other, errors } = await lockedBooks(t);
  const lost = ledgerRecord({ id: newId(), state: 'relayed' });
  ledger.recordLater(lost, new Error('locked'));
  await ledger.close();
  assert.ok(errors.includes('never recorded'));
  other.exec('ROLLBACK');
  const kept = ledgerRecord({ id: newId(), state: 'relayed' });
  ledger.recordLater(kept, new Error('locked'));
  await ledger.close();
  assert.notEqual(await traceById(store, kept.id), null);
});

test('more records than memory is meant for are dropped one by one, each with a line in the log', async t => {
  const { ledger, other, errors } = await lockedBooks(t);
  for (let i = 0; i < 1002; i++) ledger.recordLater(ledgerRecord({ id: newId() }), new Error('locked'));
  assert.equal(errors.filter(message => message === 'never recorded').length, 2);
  other.exec('ROLLBACK');
  await ledger.close();
});
