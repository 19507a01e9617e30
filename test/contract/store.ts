// What every database must do: run by store-sqlite.test.ts, and by each database that comes after it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';

import { CommitUnknown, RowsChanged } from '../../src/store/failure.ts';
import { eventStep, recordSteps } from '../../src/store/record-rows.ts';
import type { Store } from '../../src/store/store.ts';
import { ledgerRecord, newId } from '../support/sample-record.ts';

export type OpenStore = (t: TestContext, options?: { queueMax?: number }) => Promise<Store>;

function note(words: string, messageId = 'x') {
  return { message_id: messageId, copy_id: null, at: 1, who: 'test', what: 'note', words };
}

export function storeContract(name: string, open: OpenStore): void {
  test(`${name}: what was written is read, all columns alike`, async t => {
    const store = await open(t);
    const record = ledgerRecord({ id: newId(), to: ['a@example.com', 'b@example.com'] });
    await store.write(db => recordSteps(db, record));
    const [row] = await store.read(db => db.selectFrom('messages').selectAll().where('id', '=', record.id));
    assert.equal(row?.mail_from, 'sender@example.org');
    assert.equal(row?.score, 1000);
    assert.equal(row?.tls, 'TLSv1.3 TLS_AES_256_GCM_SHA384');
    assert.deepEqual(JSON.parse(row?.ms ?? ''), { steps: { data: 5, scan: 20 }, scanners: { rules: 3, clamav: 12 } });
    const copies = await store.read(db =>
      db.selectFrom('copies').select(['copy_id', 'state', 'rcpt']).orderBy('copy_id'),
    );
    assert.deepEqual(
      copies.map(copy => copy.rcpt),
      ['a@example.com', 'b@example.com'],
    );
  });

  test(`${name}: text of any kind comes back as it was`, async t => {
    const store = await open(t);
    const words = `'; DROP TABLE events; -- \u0000 "quoted" \\ \u{1f600} ü \r\n`;
    await store.write(db => [eventStep(db, note(words))]);
    assert.deepEqual(await store.read(db => db.selectFrom('events').select('words')), [{ words }]);
  });

  test(`${name}: a batch is written as a whole or not at all`, async t => {
    const store = await open(t);
    const record = ledgerRecord({ id: newId() });
    await store.write(db => recordSteps(db, record));
    await assert.rejects(
      store.write(db => [eventStep(db, note('lost')), ...recordSteps(db, record)]),
      /UNIQUE|duplicate/i,
    );
    assert.deepEqual(await store.read(db => db.selectFrom('events').select('words').where('words', '=', 'lost')), []);
  });

  test(`${name}: of many batches at once only those that fail are missing`, async t => {
    const store = await open(t);
    const record = ledgerRecord({ id: newId() });
    await store.write(db => recordSteps(db, record));
    const written = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) =>
        store.write(db => [eventStep(db, note(`n${i}`, 'many')), ...(i % 3 === 0 ? recordSteps(db, record) : [])]),
      ),
    );
    const good = written.flatMap((result, i) => (result.status === 'fulfilled' ? [`n${i}`] : []));
    assert.equal(good.length, 66);
    const rows = await store.read(db =>
      db.selectFrom('events').select('words').where('message_id', '=', 'many').orderBy('event_id'),
    );
    assert.deepEqual(
      rows.map(row => row.words),
      good,
    );
  });

  test(`${name}: of two that swap the same row one wins and the other is told`, async t => {
    const store = await open(t);
    const record = ledgerRecord({ id: newId() });
    await store.write(db => recordSteps(db, record));
    const swap = (state: 'released' | 'deleted') =>
      store.write(db => [
        eventStep(db, note(state, 'swap')),
        { query: db.updateTable('copies').set({ state, version: 2 }).where('version', '=', 1), mustChange: 1 },
      ]);
    const [first, second] = await Promise.allSettled([swap('released'), swap('deleted')]);
    assert.equal(first.status, 'fulfilled');
    assert.ok(second.status === 'rejected' && second.reason instanceof RowsChanged);
    assert.equal((await store.read(db => db.selectFrom('copies').select('state')))[0]?.state, 'released');
    const events = await store.read(db => db.selectFrom('events').select('words').where('message_id', '=', 'swap'));
    assert.deepEqual(events, [{ words: 'released' }]);
  });

  test(`${name}: beyond its queue it says busy at once`, async t => {
    const store = await open(t, { queueMax: 5 });
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.write(db => [eventStep(db, note(`${i}`))])),
    );
    const refused = all.filter(result => result.status === 'rejected');
    assert.equal(refused.length, 15);
    for (const { reason } of refused) assert.equal(reason.reply.enhanced, '4.3.2');
    await store.write(db => [eventStep(db, note('after'))]);
  });

  test(`${name}: what was asked before close is answered, what comes after is refused`, async t => {
    const store = await open(t);
    const last = store.write(db => [eventStep(db, note('last'))]);
    await store.close();
    await last;
    await assert.rejects(
      store.write(db => [eventStep(db, note('too late'))]),
      error => error instanceof Error && !(error instanceof CommitUnknown) && /closed/.test(error.message),
    );
    await store.close();
  });

  test(`${name}: health says that it works`, async t => {
    assert.equal((await (await open(t)).health()).level, 'ok');
  });
}
