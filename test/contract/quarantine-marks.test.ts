// Marks of released copies: genuine once, for one recipient, and never from anybody else.

import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { CopyId } from '../../src/mail/mail-id.ts';
import { loadReleaseKey, markLine, releaseMarks } from '../../src/quarantine/release-marks.ts';
import { hop, type QuarantineSet, quarantineSet } from '../support/quarantine-set.ts';
import { recipient, temporaryFolder } from '../support/sample-record.ts';

const RCPT = recipient('rcpt@example.com').address;

/** The value of the mark a release really wrote. */
async function released(set: QuarantineSet): Promise<string> {
  const [copy] = await set.hold();
  const { deliver, got } = hop(250);
  await set.quarantine.release(copy as CopyId, { by: 'root', deliver });
  return /^X-Postern-Release: (.*)\r\n/.exec(got[0]?.bytes ?? '')?.[1] ?? assert.fail('no mark');
}

test('a genuine mark is taken once', async t => {
  const set = await quarantineSet(t);
  const mark = await released(set);
  const marks = set.quarantine.marks;
  const asked = await Promise.all(Array.from({ length: 5 }, () => marks.take(mark, RCPT)));
  assert.deepEqual(asked.sort(), [false, false, false, false, true]);
  const events = await set.store.read(db => db.selectFrom('events').select('what').where('what', '=', 'came back'));
  assert.equal(events.length, 1);
});

test('the recipient may be written in other letters, but is no other', async t => {
  const set = await quarantineSet(t);
  const mark = await released(set);
  assert.equal(await set.quarantine.marks.take(mark, recipient('other@example.com').address), false);
  assert.equal(await set.quarantine.marks.take(mark, recipient('RCPT@example.com').address), true);
});

test('a mark made with another key, for another copy, or changed anywhere is not taken', async t => {
  const set = await quarantineSet(t);
  const mark = await released(set);
  const [, id = ''] = /^(\S+)\.1;/.exec(mark) ?? [];
  const forged = markLine(new Uint8Array(32), { copyId: id as CopyId, attempt: 1, rcptTo: RCPT.text });
  const bad = [
    forged.slice(forged.indexOf(':') + 1).trim(),
    mark.replace('.1;', '.2;'),
    mark.replace('-1.1;', '-2.1;'),
    `${mark.slice(0, -1)}${mark.endsWith('A') ? 'B' : 'A'}`,
    mark.slice(0, -1),
    '',
    'x'.repeat(100_000),
    "' OR 1=1 --",
  ];
  for (const value of bad) assert.equal(await set.quarantine.marks.take(value, RCPT), false, value);
  assert.equal(await set.quarantine.marks.take(` ${mark} `, RCPT), true);
});

test('a mark is good for five days', async t => {
  const set = await quarantineSet(t);
  const mark = await released(set);
  await set.store.write(db => [db.updateTable('release_marks').set({ made_at: Date.now() - 5 * 86_400_000 - 1 })]);
  assert.equal(await set.quarantine.marks.take(mark, RCPT), false);
});

test('a mark of another installation says nothing here', async t => {
  const one = await quarantineSet(t);
  const two = await quarantineSet(t);
  const mark = await released(one);
  // Even with the same key: the row is missing.
  assert.equal(await two.quarantine.marks.take(mark, RCPT), false);
});

test('when the database cannot answer, the mark is neither taken nor refused', async t => {
  const set = await quarantineSet(t);
  const mark = await released(set);
  await set.store.close();
  await assert.rejects(releaseMarks(set.store, new Uint8Array(32).fill(7)).take(mark, RCPT), /closed/);
});

test('the key is made once, for us alone, and a damaged one is not replaced', async t => {
  const path = join(await temporaryFolder(t), 'keys', 'release.key');
  const key = await loadReleaseKey(path);
  assert.equal(key.length, 32);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(Buffer.from(await loadReleaseKey(path)), Buffer.from(key));
  await writeFile(path, 'short');
  await assert.rejects(loadReleaseKey(path), /no key/);
});
