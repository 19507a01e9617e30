import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';

import { createLedger } from '../../../src/ledger/ledger.ts';
import { traceById } from '../../../src/ledger/trace.ts';
import { Unwritten } from '../../../src/ledger/unwritten.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { ledgerRecord, newId, temporaryFolder } from '../../support/sample-record.ts';
import { waitFor } from '../../support/wait-for.ts';

/** What was logged as an error. */
function kept() {
  const errors: string[] = [];
  return { errors, log: { ...silentLog(), error: (_: object, message: string) => void errors.push(message) } };
}

/** The store with another `write`. */
function through(store: Store, write: Store['write']): Store {
  return {
    write,
    read: build => store.read(build),
    trouble: () => store.trouble(),
    health: () => store.health(),
    close: () => store.close(),
  };
}

async function lockedBooks(t: TestContext) {
  const path = join(await temporaryFolder(t), 'postern.db');
  const store = await openStore({ path, busyMs: 50 });
  t.after(() => store.close());
  const { errors, log } = kept();
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
  const next = createLedger(store, silentLog());
  const kept = ledgerRecord({ id: newId(), state: 'relayed' });
  next.recordLater(kept, new Error('locked'));
  await next.close();
  assert.notEqual(await traceById(store, kept.id), null);
});

test('a record that comes during the last try is tried too', async t => {
  const { store, other } = await lockedBooks(t);
  other.exec('ROLLBACK');
  const [first, second] = [ledgerRecord({ id: newId() }), ledgerRecord({ id: newId() })];
  const watched = through(store, async build => {
    const changes = await store.write(build);
    if (unwritten.count === 1) unwritten.keep(second, new Error('locked'));
    return changes;
  });
  const { errors, log } = kept();
  const unwritten = new Unwritten(watched, log);
  unwritten.keep(first, new Error('locked'));
  await unwritten.close();
  assert.notEqual(await traceById(store, second.id), null);
  assert.ok(!errors.includes('never recorded'));
});

test('a record that comes after the end is in the log, and no timer is left', async t => {
  const { store, other, ledger, errors } = await lockedBooks(t);
  other.exec('ROLLBACK');
  await ledger.close();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const late = ledgerRecord({ id: newId() });
  ledger.recordLater(late, new Error('late'));
  assert.deepEqual(errors, ['never recorded']);
  t.mock.timers.tick(10_000);
  t.mock.timers.reset();
  await store.health();
  assert.equal(await traceById(store, late.id), null);
});

test('at the limit a later record of an id that is kept takes the place of the first', async t => {
  const { store, ledger, other, errors } = await lockedBooks(t);
  const records = Array.from({ length: 1000 }, () => ledgerRecord({ id: newId(), state: 'relayed' }));
  for (const record of records) ledger.recordLater(record, new Error('locked'));
  const [first] = records;
  assert.ok(first !== undefined);
  ledger.recordLater(ledgerRecord({ id: first.id, state: 'unknown' }), new Error('locked'));
  assert.ok(!errors.includes('never recorded'));
  other.exec('ROLLBACK');
  await ledger.close();
  assert.equal((await traceById(store, first.id))?.copies[0]?.state, 'unknown');
});

test('a later record that comes while the first is written is not lost without a word', async t => {
  const { store, other } = await lockedBooks(t);
  other.exec('ROLLBACK');
  const first = ledgerRecord({ id: newId(), state: 'relayed', endedAt: 1 });
  let isFirst = true;
  const watched = through(store, async build => {
    if (isFirst) unwritten.keep(ledgerRecord({ id: first.id, state: 'unknown', endedAt: 2 }), new Error('locked'));
    isFirst = false;
    return store.write(build);
  });
  const { errors, log } = kept();
  const unwritten = new Unwritten(watched, log);
  unwritten.keep(first, new Error('locked'));
  await unwritten.close();
  assert.equal(errors.at(-1), 'never recorded');
  assert.equal((await traceById(store, first.id))?.copies[0]?.state, 'relayed');
});

test('more records than memory is meant for are dropped one by one, each with a line in the log', async t => {
  const { ledger, other, errors } = await lockedBooks(t);
  for (let i = 0; i < 1002; i++) ledger.recordLater(ledgerRecord({ id: newId() }), new Error('locked'));
  assert.equal(errors.filter(message => message === 'never recorded').length, 2);
  other.exec('ROLLBACK');
  await ledger.close();
});
