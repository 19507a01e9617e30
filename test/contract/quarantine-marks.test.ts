// Marks of released copies: genuine once, for one recipient, and never from anybody else.

import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import type { CopyId } from '../../src/mail/mail-id.ts';
import type { SpoolEntry } from '../../src/mail/ports.ts';
import { markDigest } from '../../src/quarantine/mark-digest.ts';
import { loadReleaseKey, markLine, releaseMarks } from '../../src/quarantine/release-marks.ts';
import { hop, type QuarantineSet, quarantineSet } from '../support/quarantine-set.ts';
import { temporaryFolder } from '../support/sample-record.ts';

const RCPT = 'rcpt@example.com';

/** The copy as a release really sent it, and the value of its mark. */
async function released(set: QuarantineSet, content?: string): Promise<{ mark: string; bytes: string }> {
  const [copy] = await set.hold([RCPT], content);
  const { deliver, got } = hop(250);
  await set.quarantine.release(copy as CopyId, { by: 'root', deliver });
  const bytes = got[0]?.bytes ?? '';
  return { mark: /^X-Postern-Release: (.*)\r\n/.exec(bytes)?.[1] ?? assert.fail('no mark'), bytes };
}

/** A copy that came back, in the spool. */
const back = (set: QuarantineSet, bytes: string, to = RCPT): Promise<SpoolEntry> => set.spooled([to], bytes);

test('a genuine mark is claimed by one delivery at a time, and used up by the one that was passed on', async t => {
  const set = await quarantineSet(t);
  const { mark, bytes } = await released(set);
  const marks = set.quarantine.marks;
  const entry = await back(set, bytes);
  const events = () => set.store.read(db => db.selectFrom('events').select('what').where('what', '=', 'came back'));
  for (const isRelayed of [false, false, true]) {
    const asked = await Promise.all(Array.from({ length: 5 }, () => marks.claim(mark, entry)));
    const claims = asked.filter(claim => claim !== null);
    assert.equal(claims.length, 1);
    assert.equal((await events()).length, 0);
    await claims[0]?.settle(isRelayed);
    // Only the first word counts.
    await claims[0]?.settle(!isRelayed);
  }
  assert.equal(await marks.claim(mark, entry), null);
  assert.equal((await events()).length, 1);
});

test('the recipient may be written in other letters, but is no other', async t => {
  const set = await quarantineSet(t);
  const { mark, bytes } = await released(set);
  const { marks } = set.quarantine;
  assert.equal(await marks.claim(mark, await back(set, bytes, 'other@example.com')), null);
  assert.equal(await marks.claim(mark, await set.spooled([RCPT, 'other@example.com'], bytes)), null);
  assert.notEqual(await marks.claim(mark, await back(set, bytes, 'RCPT@example.com')), null);
});

const TEXT = 'Subject: held\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\nbody\r\n\r\n';
const CHANGES: readonly { what: string; change: (bytes: string) => string; isTaken: boolean }[] = [
  { what: 'trace fields on top', change: bytes => `Received: by b.example\r\n\tid 1\r\n${bytes}`, isTaken: true },
  { what: 'a list name in the subject', change: bytes => bytes.replace('held', '[list] held'), isTaken: true },
  { what: 'empty lines at the end', change: bytes => `${bytes}\r\n\r\n`, isTaken: true },
  { what: 'no empty line at the end', change: bytes => bytes.trimEnd(), isTaken: true },
  { what: 'a field folded elsewhere', change: bytes => bytes.replace(';\r\n ch', '; ch'), isTaken: true },
  { what: 'another body', change: bytes => bytes.replace('body', 'evil'), isTaken: false },
  { what: 'more body', change: bytes => `${bytes}more\r\n`, isTaken: false },
  { what: 'an empty line less within', change: bytes => bytes.replace('\r\n\r\nbody', '\r\nbody'), isTaken: false },
  { what: 'another empty line on top', change: bytes => bytes.replace('\r\n\r\n', '\r\n\r\n\r\n'), isTaken: false },
  { what: 'another type', change: bytes => bytes.replace('text/plain', 'application/zip'), isTaken: false },
  {
    what: 'another encoding',
    change: bytes => `Content-Transfer-Encoding: base64\r\n${bytes}`,
    isTaken: false,
  },
  {
    what: 'other content before the first empty line',
    change: bytes => `${bytes.split('Subject')[0]}no field\r\n\r\n${bytes}`,
    isTaken: false,
  },
];

for (const { what, change, isTaken } of CHANGES) {
  test(`a genuine mark on a message with ${what} is ${isTaken ? '' : 'not '}taken`, async t => {
    const set = await quarantineSet(t);
    const { mark, bytes } = await released(set, TEXT);
    const claim = await set.quarantine.marks.claim(mark, await back(set, change(bytes)));
    assert.equal(claim !== null, isTaken);
  });
}

test('the digest does not depend on the pieces in which the bytes come', async () => {
  const text = `A: b\r\nContent-Type: x/y\r\n\r\n\r\n${'line\r\n\r\n'.repeat(50)}`;
  const digests = [1, 2, 3, 7, text.length].map(size => {
    async function* pieces() {
      for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
    }
    return markDigest(pieces());
  });
  assert.equal(new Set(await Promise.all(digests)).size, 1);
});

test('a header section without an end has no digest', async () => {
  async function* endless() {
    for (let i = 0; i < 100; i++) yield Buffer.from('A: b\r\n'.repeat(10_000));
  }
  assert.equal(await markDigest(endless()), null);
});

test('a mark made with another key, for another copy, or changed anywhere is not taken', async t => {
  const set = await quarantineSet(t);
  const { mark, bytes } = await released(set);
  const entry = await back(set, bytes);
  const [, id = ''] = /^(\S+)\.1;/.exec(mark) ?? [];
  const forged = markLine(new Uint8Array(32), { copyId: id as CopyId, attempt: 1, rcptTo: RCPT, digest: '' });
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
  for (const value of bad) assert.equal(await set.quarantine.marks.claim(value, entry), null, value);
  assert.notEqual(await set.quarantine.marks.claim(` ${mark} `, entry), null);
});

test('a mark is good for five days', async t => {
  const set = await quarantineSet(t);
  const { mark, bytes } = await released(set);
  await set.store.write(db => [db.updateTable('release_marks').set({ made_at: Date.now() - 5 * 86_400_000 - 1 })]);
  assert.equal(await set.quarantine.marks.claim(mark, await back(set, bytes)), null);
});

test('a mark of another installation says nothing here', async t => {
  const one = await quarantineSet(t);
  const two = await quarantineSet(t);
  const { mark, bytes } = await released(one);
  // Even with the same key: the row is missing.
  assert.equal(await two.quarantine.marks.claim(mark, await back(two, bytes)), null);
});

test('when the database cannot answer, the mark is neither taken nor refused', async t => {
  const set = await quarantineSet(t);
  const { mark, bytes } = await released(set);
  const entry = await back(set, bytes);
  await set.store.close();
  await assert.rejects(releaseMarks(set.store, new Uint8Array(32).fill(7)).claim(mark, entry), /closed/);
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
