// The quarantine on real files and a real database: hold, list, show, release, delete.

import assert from 'node:assert/strict';
import { appendFile, chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { HopLost, MailError } from '../../src/mail/error.ts';
import { type CopyId, mailIdOf } from '../../src/mail/mail-id.ts';
import { readWhole } from '../../src/platform/content.ts';
import { itemPage } from '../../src/quarantine/listing.ts';
import type { Deliver } from '../../src/quarantine/release.ts';
import { recordSteps } from '../../src/store/record-rows.ts';
import { filePaths, HOSTNAME, hop, type QuarantineSet, quarantineSet, STAMP } from '../support/quarantine-set.ts';
import { held, ledgerRecord } from '../support/sample-record.ts';

const by = 'root';

async function stateOf(set: QuarantineSet, copy: CopyId) {
  const [row] = await set.store.read(db => db.selectFrom('copies').selectAll().where('copy_id', '=', copy));
  return row;
}

async function eventsOf(set: QuarantineSet, copy: CopyId): Promise<string[]> {
  const rows = await set.store.read(db =>
    db.selectFrom('events').select(['what', 'words']).where('copy_id', '=', copy).orderBy('event_id'),
  );
  return rows.map(row => `${row.what}: ${row.words}`);
}

test('a held message is on disk as it came, for us alone, with a row for each copy', async t => {
  const set = await quarantineSet(t);
  const copies = await set.hold(['a@example.com', 'b@example.com'], 'Subject: x\r\n\r\nbytes \xff\r\n');
  const { bytes, record } = filePaths(set, mailIdOf(copies[0] as CopyId));
  assert.equal(await readFile(bytes, 'latin1'), 'Subject: x\r\n\r\nbytes \xff\r\n');
  for (const file of [bytes, record]) assert.equal((await stat(file)).mode & 0o777, 0o600);
  const items = await set.quarantine.list({});
  assert.deepEqual(items.map(item => item.copyId).sort(), copies);
  for (const item of items) assert.deepEqual([item.state, item.class], ['held', 'spam']);
  assert.deepEqual(await set.spool.list(), []);
});

test('only the copies that are to be held become items', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['a@example.com']);
  const record = ledgerRecord({ id: entry.id, to: ['a@example.com', 'no@example.com'] });
  const copies = record.copies.map((copy, i) =>
    i === 0 ? copy : { ...copy, disposition: { state: 'refused' as const, words: '550 no', host: '' } },
  );
  await set.quarantine.hold(held({ ...record, copies }, entry), STAMP);
  assert.equal((await set.quarantine.list({})).length, 1);
  assert.equal((await stateOf(set, `${entry.id}-2` as CopyId))?.state, 'refused');
});

test('when the rows cannot be written nothing is held and nothing is left', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['a@example.com']);
  const record = held(ledgerRecord({ id: entry.id, to: ['a@example.com'] }), entry);
  // A row of this message is there: the commit fails.
  await set.store.write(db =>
    recordSteps(db, ledgerRecord({ id: entry.id, to: ['a@example.com'], state: 'deferred' })),
  );
  await assert.rejects(set.quarantine.hold(record, STAMP), /UNIQUE/);
  assert.deepEqual(set.files(), []);
  assert.deepEqual(await set.quarantine.list({}), []);
  assert.equal((await readWhole(entry.content)).length, entry.sizeBytes);
});

test('when the database is gone nothing is held and nothing is left', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['rcpt@example.com']);
  await set.store.close();
  await assert.rejects(set.quarantine.hold(held(ledgerRecord({ id: entry.id }), entry), STAMP), MailError);
  assert.deepEqual(set.files(), []);
});

test('when the bytes are not there nothing is held', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['a@example.com']);
  assert.ok('path' in entry.content);
  await rm(entry.content.path);
  await assert.rejects(
    set.quarantine.hold(held(ledgerRecord({ id: entry.id }), entry), STAMP),
    error => error instanceof MailError && error.reply.code === 451,
  );
  assert.deepEqual(set.files(), []);
  assert.deepEqual(await set.quarantine.list({}), []);
});

test('held twice, the second is refused and the first is untouched', async t => {
  const set = await quarantineSet(t);
  const entry = await set.spooled(['rcpt@example.com']);
  const record = held(ledgerRecord({ id: entry.id }), entry);
  await set.quarantine.hold(record, STAMP);
  await assert.rejects(set.quarantine.hold(record, STAMP), MailError);
  assert.equal(set.files().length, 2);
  assert.equal((await set.quarantine.list({})).length, 1);
});

test('a released copy is mark, stamp and the bytes without forged headers; the hop is quoted and the files go', async t => {
  const set = await quarantineSet(t);
  const content = [
    'X-Spam-Flag: NO',
    'Subject: x',
    `Authentication-Results: ${HOSTNAME}; dkim=pass`,
    'Authentication-Results: other.example; dkim=pass',
    '',
    'X-Spam-Flag: in the body stays',
    '',
  ].join('\r\n');
  const [copy] = await set.hold(['rcpt@example.com'], content);
  const { deliver, got } = hop(250);
  const result = await set.quarantine.release(copy as CopyId, { by, deliver });
  assert.deepEqual(result, { kind: 'released', host: 'smtp://10.0.0.5:25', words: '250 2.0.0 queued as 4711' });
  const { bytes, delivery } = got[0] ?? assert.fail('nothing came');
  const [mark = '', ...rest] = bytes.split(/(?<=\r\n)/);
  assert.match(mark, /^X-Postern-Release: \w{18}-1\.1; [\w-]{43}\r\n$/);
  assert.equal(
    rest.join(''),
    `${STAMP}Subject: x\r\nAuthentication-Results: other.example; dkim=pass\r\n\r\nX-Spam-Flag: in the body stays\r\n`,
  );
  assert.deepEqual(
    delivery.envelope.rcptTo.map(recipient => recipient.address.text),
    ['rcpt@example.com'],
  );
  assert.equal(delivery.envelope.mailFrom.address?.text, 'sender@example.org');
  const row = await stateOf(set, copy as CopyId);
  assert.deepEqual([row?.state, row?.words, row?.host], ['released', '250 2.0.0 queued as 4711', 'smtp://10.0.0.5:25']);
  assert.deepEqual(set.files(), []);
  assert.deepEqual(await eventsOf(set, copy as CopyId), [
    'held: 250 2.6.0 ok',
    'release begun: release begun by root',
    'released: smtp://10.0.0.5:25: 250 2.0.0 queued as 4711',
  ]);
});

test('the bytes stay until the last copy is done', async t => {
  const set = await quarantineSet(t);
  const [a, b] = await set.hold(['a@example.com', 'b@example.com']);
  const { deliver, got } = hop(250);
  await set.quarantine.release(a as CopyId, { by, deliver });
  assert.equal(set.files().length, 2);
  assert.equal((await set.quarantine.delete(b as CopyId, { by })).kind, 'deleted');
  assert.deepEqual(set.files(), []);
  assert.equal((await stateOf(set, b as CopyId))?.state, 'deleted');
  assert.equal(got.length, 1);
});

test('released already: the second time says when and with which words, and sends nothing', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  const { deliver, got } = hop(250);
  await set.quarantine.release(copy as CopyId, { by, deliver });
  for (const force of [false, true]) {
    const again = await set.quarantine.release(copy as CopyId, { by, deliver, force });
    assert.equal(again.kind, 'impossible');
    assert.match(again.words, /is released since 20.*10\.0\.0\.5:25 said: 250 2\.0\.0 queued as 4711/);
  }
  assert.equal(got.length, 1);
});

test('ten releases at once, from two processes, send one copy', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  const other = await set.again();
  const { deliver, got } = hop(250);
  const results = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      (i % 2 === 0 ? set.quarantine : other).release(copy as CopyId, { by, deliver }),
    ),
  );
  assert.equal(got.length, 1);
  assert.equal(results.filter(result => result.kind === 'released').length, 1);
  for (const { kind, words } of results) {
    if (kind !== 'released') assert.match(words, /is being released|was on its way|is released since/);
  }
});

const REFUSED: readonly { code: number; text: string }[] = [
  { code: 450, text: 'greylisted, come back' },
  { code: 550, text: 'no such user' },
];

for (const { code, text } of REFUSED) {
  test(`a hop that answers ${code} leaves the copy held with its words, and it can be released again`, async t => {
    const set = await quarantineSet(t);
    const [copy] = await set.hold(['a@example.com']);
    const result = await set.quarantine.release(copy as CopyId, { by, deliver: hop(code, text).deliver });
    assert.deepEqual([result.kind, result.words], ['refused', `${code} ${text}`]);
    const row = await stateOf(set, copy as CopyId);
    assert.deepEqual([row?.state, row?.words, row?.attempts], ['held', `${code} ${text}`, 1]);
    assert.equal((await set.quarantine.release(copy as CopyId, { by, deliver: hop(250).deliver })).kind, 'released');
  });
}

test('a hop that cannot be reached, or went away before the dot, leaves the copy held', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  for (const error of [new MailError('hopUnreachable', 'refused'), new HopLost(false, 'reset')]) {
    const deliver: Deliver = () => Promise.reject(error);
    const result = await set.quarantine.release(copy as CopyId, { by, deliver });
    assert.deepEqual([result.kind, result.words], ['failed', error.message]);
    assert.equal((await stateOf(set, copy as CopyId))?.state, 'held');
  }
});

for (const error of [new HopLost(true, 'no answer to the dot'), new TypeError('a bug')]) {
  test(`after ${error.name} nobody knows: the copy goes again only with force`, async t => {
    const set = await quarantineSet(t);
    const [copy] = await set.hold(['a@example.com']);
    const lost = await set.quarantine.release(copy as CopyId, { by, deliver: () => Promise.reject(error) });
    assert.equal(lost.kind, 'unknown');
    assert.equal((await stateOf(set, copy as CopyId))?.state, 'releasing');
    const { deliver, got } = hop(250);
    const refused = await set.quarantine.release(copy as CopyId, { by, deliver });
    assert.equal(refused.kind, 'impossible');
    assert.match(refused.words, /the next hop may have it.*--force/);
    assert.equal((await set.quarantine.delete(copy as CopyId, { by })).kind, 'impossible');
    assert.equal(got.length, 0);
    assert.equal((await set.quarantine.release(copy as CopyId, { by, deliver, force: true })).kind, 'released');
    assert.equal(got.length, 1);
  });
}

test('while a release is under way not even force sends a second one', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  const { deliver, got } = hop(250);
  let second: Promise<unknown> | undefined;
  const result = await set.quarantine.release(copy as CopyId, {
    by,
    deliver: async delivery => {
      second = set.quarantine.release(copy as CopyId, { by, deliver, force: true });
      assert.match(JSON.stringify(await second), /is being released at this moment/);
      assert.match((await set.quarantine.delete(copy as CopyId, { by, force: true })).words, /is being released/);
      return deliver(delivery);
    },
  });
  assert.equal(result.kind, 'released');
  assert.ok(second !== undefined);
  assert.equal(got.length, 1);
});

test('I2: bytes that have changed since the scan are not released, and health names them', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  const id = mailIdOf(copy as CopyId);
  const { bytes } = filePaths(set, id);
  await writeFile(bytes, (await readFile(bytes, 'utf8')).replace('body', 'BODY'));
  const { deliver, got } = hop(250);
  const result = await set.quarantine.release(copy as CopyId, { by, deliver });
  assert.equal(result.kind, 'impossible');
  assert.match(result.words, /changed since they were scanned/);
  assert.equal(got.length, 0);
  const health = await set.quarantine.health();
  assert.equal(health.level, 'degraded');
  assert.ok(health.says.includes(id));
});

test('a source that fails in the middle of sending leaves the copy held', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com']);
  const result = await set.quarantine.release(copy as CopyId, {
    by,
    deliver: async delivery => {
      await rm(filePaths(set, mailIdOf(copy as CopyId)).bytes);
      for await (const _ of delivery.body);
      return assert.fail('the body should have failed');
    },
  });
  assert.equal(result.kind, 'failed');
  assert.equal((await stateOf(set, copy as CopyId))?.state, 'held');
});

test('what is not in quarantine cannot be released or deleted', async t => {
  const set = await quarantineSet(t);
  const { deliver } = hop(250);
  for (const id of ['0123456789abcdefgh-1', '../../x', '', "x' OR 1=1 --"]) {
    // As the control socket hands it over.
    const copy = id as CopyId;
    assert.match((await set.quarantine.release(copy, { by, deliver })).words, /^no copy/);
    assert.match((await set.quarantine.delete(copy, { by })).words, /^no copy/);
    assert.equal(await set.quarantine.show(copy), null);
  }
});

test('the list is filtered and turned page by page, newest first', async t => {
  const set = await quarantineSet(t);
  const all: string[] = [];
  for (let i = 0; i < 5; i++) all.unshift(...(await set.hold([`R${i % 2}@example.com`])));
  const first = await set.quarantine.list({ limit: 2 });
  const last = first.at(-1) ?? assert.fail();
  const rest = await set.quarantine.list({ after: { heldAt: last.heldAt, copyId: last.copyId } });
  assert.deepEqual(
    [...first, ...rest].map(item => item.copyId),
    all,
  );
  assert.equal((await set.quarantine.list({ recipient: 'r1@example.com' })).length, 2);
  assert.equal((await set.quarantine.list({ sender: 'Sender@Example.org' })).length, 5);
  assert.equal((await set.quarantine.list({ sender: '<>' })).length, 0);
  assert.equal((await set.quarantine.list({ since: Date.now() + 1000 })).length, 0);
  await set.quarantine.delete(all[0] as CopyId, { by });
  assert.equal((await set.quarantine.list({})).length, 4);
  assert.equal((await set.quarantine.list({ states: ['deleted'] })).length, 1);
});

test('show gives headers, findings and history; printed, hostile text moves nothing', async t => {
  const set = await quarantineSet(t);
  const [copy] = await set.hold(['a@example.com'], 'Subject: \x1b[2J\x07evil\r\nX: 1\r\n\r\nbody\r\n');
  const shown = (await set.quarantine.show(copy as CopyId)) ?? assert.fail();
  assert.equal(shown.headers, 'Subject: \x1b[2J\x07evil\r\nX: 1');
  assert.equal(shown.stamp, STAMP);
  const page = itemPage(shown, '\x1b]0;title\x07text\r\nCopy fake: released');
  assert.match(page, /Subject: \\x1b\[2J\\x07evil/);
  assert.match(page, /\+1000\.0 {2}GTUBE/);
  assert.match(page, /score 1000 reaches 8/);
  assert.match(page, / {2}\| Copy fake: released/);
  assert.doesNotMatch(page, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test('a folder that cannot be written refuses to hold with 451', async t => {
  if (process.getuid?.() === 0) {
    t.diagnostic('root may write everywhere: a file stands in the way instead');
  }
  const set = await quarantineSet(t);
  const entry = await set.spooled(['rcpt@example.com']);
  await chmod(join(set.folder, 'quarantine'), 0o500);
  await appendFile(join(set.folder, 'quarantine', String(new Date().getUTCFullYear())), '').catch(() => undefined);
  await assert.rejects(
    set.quarantine.hold(held(ledgerRecord({ id: entry.id }), entry), STAMP),
    error => error instanceof MailError && error.reply.code === 451,
  );
  await chmod(join(set.folder, 'quarantine'), 0o700);
  assert.deepEqual(await set.quarantine.list({}), []);
});
