// What a crash leaves, and what the next start makes of it.

import assert from 'node:assert/strict';
import { copyFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { type CopyId, mailIdOf } from '../../src/mail/mail-id.ts';
import { silentLog } from '../../src/platform/log.ts';
import { FileQuarantine } from '../../src/quarantine/quarantine.ts';
import { CommitUnknown } from '../../src/store/failure.ts';
import { recordSteps } from '../../src/store/record-rows.ts';
import type { Store } from '../../src/store/store.ts';
import { filePaths, hop, type QuarantineSet, quarantineSet } from '../support/quarantine-set.ts';
import { held, ledgerRecord } from '../support/sample-record.ts';

const NOTHING = { rebuilt: 0, removed: 0, damaged: 0, unknown: 0 };

/** The rows of every message are gone, as after a crash before the commit. */
async function loseRows(set: QuarantineSet): Promise<void> {
  await set.store.write(db => [
    db.deleteFrom('items'),
    db.deleteFrom('holdings'),
    db.deleteFrom('copies'),
    db.deleteFrom('events'),
    db.deleteFrom('messages'),
  ]);
}

test('where nothing is wrong nothing is done, also the second time', async t => {
  const set = await quarantineSet(t);
  await set.hold(['a@example.com', 'b@example.com']);
  const again = await set.again();
  assert.deepEqual(await again.recover(), NOTHING);
  assert.deepEqual(await again.recover(), NOTHING);
  assert.equal(set.files().length, 2);
});

test('bytes and record without rows are held again, with the whole story, and can be released', async t => {
  const set = await quarantineSet(t);
  const copies = await set.hold(['a@example.com', 'b@example.com']);
  const before = await set.store.read(db => db.selectFrom('messages').selectAll());
  await loseRows(set);
  const again = await set.again();
  assert.deepEqual(await again.recover(), { ...NOTHING, rebuilt: 1 });
  assert.deepEqual(await set.store.read(db => db.selectFrom('messages').selectAll()), before);
  assert.deepEqual((await again.list({})).map(item => item.copyId).sort(), copies);
  const events = await set.store.read(db => db.selectFrom('events').select('what').where('what', '=', 'rebuilt'));
  assert.equal(events.length, 1);
  const { deliver, got } = hop(250);
  for (const copy of copies) assert.equal((await again.release(copy, { by: 'root', deliver })).kind, 'released');
  assert.equal(got.length, 2);
  assert.deepEqual(await again.recover(), NOTHING);
});

test('where nobody knows whether the rows were committed, the bytes stay for the next start to find out', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['rcpt@example.com']);
  const record = held(ledgerRecord({ id: entry.id }), entry);
  const silent: Store = {
    read: build => set.store.read(build),
    write: () => Promise.reject(new CommitUnknown('no answer')),
    trouble: () => null,
    health: () => set.store.health(),
    close: () => set.store.close(),
  };
  const folder = join(set.folder, 'quarantine');
  const options = { store: silent, folder, releaseKey: new Uint8Array(32), hostname: 'x.example', log: silentLog() };
  await assert.rejects((await FileQuarantine.open(options)).hold(record, ''), CommitUnknown);
  assert.equal(set.files().length, 2);
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, rebuilt: 1 });
});

test('bytes without a record were never acknowledged: removed', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  await loseRows(set);
  await rm(filePaths(set, mailIdOf(copy as CopyId)).record);
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, removed: 1 });
  assert.deepEqual(set.files(), []);
});

test('files of a message whose sender was told to come back are removed', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  await loseRows(set);
  await set.store.write(db => recordSteps(db, ledgerRecord({ id: mailIdOf(copy as CopyId), state: 'deferred' })));
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, removed: 1 });
  assert.deepEqual(set.files(), []);
  assert.deepEqual(await set.quarantine.list({}), []);
});

test('files of a message that is done are removed: the crash came between row and unlink', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  const { bytes, record } = filePaths(set, mailIdOf(copy as CopyId));
  const aside = join(set.folder, 'aside');
  await copyFile(bytes, aside);
  await copyFile(record, `${aside}.json`);
  await set.quarantine.delete(copy as CopyId, { by: 'root' });
  await rename(aside, bytes);
  await rename(`${aside}.json`, record);
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, removed: 1 });
  assert.deepEqual(set.files(), []);
  assert.deepEqual(await set.quarantine.list({}), []);
});

test('half-written files are removed', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  const { record } = filePaths(set, mailIdOf(copy as CopyId));
  await writeFile(`${record}.new`, 'half');
  assert.deepEqual(await set.quarantine.recover(), NOTHING);
  assert.equal(set.files().length, 2);
});

test('a held message without its bytes is damage that health tells, until they are back', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  const id = mailIdOf(copy as CopyId);
  const { bytes } = filePaths(set, id);
  const aside = join(set.folder, 'aside');
  await rename(bytes, aside);
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, damaged: 1 });
  const health = await set.quarantine.health();
  assert.equal(health.level, 'degraded');
  assert.ok(health.says.includes(id));
  assert.match(
    (await set.quarantine.release(copy as CopyId, { by: 'root', deliver: hop(250).deliver })).words,
    /missing/,
  );
  await rename(aside, bytes);
  assert.deepEqual(await set.quarantine.recover(), NOTHING);
  assert.equal((await set.quarantine.health()).level, 'ok');
});

test('a record without rows whose bytes are wrong is kept for a person, and becomes no row', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold();
  await loseRows(set);
  await writeFile(filePaths(set, mailIdOf(copy as CopyId)).bytes, 'other');
  assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, damaged: 1 });
  assert.equal(set.files().length, 2);
  assert.deepEqual(await set.quarantine.list({}), []);
});

const BROKEN = ['', '{}', '[]', '{"version":2}', '{"version":1,"heldAt":1,"stamp":"","entry":{},"record":{}}'];

for (const text of BROKEN) {
  test(`a damaged record ${JSON.stringify(text)} is kept for a person`, async t => {
    const set = await quarantineSet(t);
    const [copy] = await set.hold();
    await loseRows(set);
    await writeFile(filePaths(set, mailIdOf(copy as CopyId)).record, text);
    assert.deepEqual(await set.quarantine.recover(), { ...NOTHING, damaged: 1 });
    assert.equal(set.files().length, 2);
  });
}

test('a release that a crash cut off stays unknown: shown as such, sent again only with force', async t => {
  const set = await quarantineSet(t);
  const [copy, other] = await set.hold(['a@example.com', 'b@example.com']);
  // The process died while the hop had the message: the row says releasing, and nobody is at it any more.
  await set.store.write(db => [
    db
      .updateTable('copies')
      .set({ state: 'releasing', version: 2 })
      .where('copy_id', '=', copy as CopyId),
  ]);
  const again = await set.again();
  assert.deepEqual(await again.recover(), { ...NOTHING, unknown: 1 });
  const states = new Map((await again.list({})).map(item => [item.copyId, item.state]));
  assert.deepEqual([states.get(copy as CopyId), states.get(other as CopyId)], ['releasing', 'held']);
  const { deliver, got } = hop(250);
  assert.equal((await again.release(copy as CopyId, { by: 'root', deliver })).kind, 'impossible');
  assert.equal((await again.release(copy as CopyId, { by: 'root', deliver, force: true })).kind, 'released');
  assert.equal(got.length, 1);
});
