import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { createLedger } from '../../../src/ledger/ledger.ts';
import { traceByAddress, traceById } from '../../../src/ledger/trace.ts';
import type { State } from '../../../src/mail/disposition.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { openStore } from '../../../src/store/store.ts';
import { ledgerRecord, newId, recipient, spoolEntry, temporaryFolder } from '../../support/sample-record.ts';

async function books(t: TestContext) {
  const store = await openStore({ path: join(await temporaryFolder(t), 'postern.db') });
  t.after(() => store.close());
  return { store, ledger: createLedger(store, silentLog()) };
}

const STATES: readonly State[] = [
  'relayed',
  'held',
  'releasing',
  'released',
  'deleted',
  'discarded',
  'refused',
  'deferred',
  'unknown',
  'abandoned',
];

test('I4: every state a copy can have is kept with its words and told', async t => {
  const { store, ledger } = await books(t);
  for (const state of STATES) {
    const record = ledgerRecord({ id: newId(), state, words: `words of ${state}` });
    await ledger.record(record);
    const traced = await traceById(store, record.id);
    assert.deepEqual(
      traced?.copies.map(copy => [copy.state, copy.words]),
      [[state, `words of ${state}`]],
    );
    assert.deepEqual(
      traced?.events.map(event => [event.what, event.copy_id]),
      [[state, `${record.id}-1`]],
    );
  }
});

test('a transaction without a message is in the books too', async t => {
  const { store, ledger } = await books(t);
  const record = { ...ledgerRecord({ id: newId(), entry: null, state: 'refused' }), report: null, verdict: null };
  await ledger.record({ ...record, notes: ['a note'] });
  const traced = await traceById(store, record.id);
  assert.equal(traced?.message.outcome, null);
  assert.equal(traced?.message.received_at, null);
  assert.equal(traced?.events[0]?.words, 'a note');
});

test('recorded twice is refused: a message has one story', async t => {
  const { ledger } = await books(t);
  const record = ledgerRecord({ id: newId() });
  await ledger.record(record);
  await assert.rejects(ledger.record(record), /UNIQUE/);
});

test('a copy is found by the id of its message and by its own, anything else is nothing', async t => {
  const { store, ledger } = await books(t);
  const to = Array.from({ length: 12 }, (_, i) => `r${i}@example.com`);
  const record = ledgerRecord({ id: newId(), to });
  await ledger.record(record);
  assert.deepEqual(
    (await traceById(store, `${record.id}-3`))?.copies.map(copy => copy.rcpt),
    to,
  );
  for (const id of [newId(), '', 'x', `${record.id}-`, "' OR 1=1 --"]) assert.equal(await traceById(store, id), null);
});

test('by address the newest come first: as recipient, sender, client, or Message-ID', async t => {
  const { store, ledger } = await books(t);
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = newId(1_700_000_000_000 + i * 1000);
    ids.unshift(id);
    const self = i === 3 ? 'me@example.com' : 'other@example.com';
    await ledger.record(ledgerRecord({ id, from: i % 2 === 0 ? 'Me@Example.com' : 'x@example.org', to: [self] }));
  }
  const found = async (address: string, limit = 10) =>
    (await traceByAddress(store, address, { limit })).map(line => line.id);
  assert.deepEqual(await found('me@example.com'), [ids[1], ids[2], ids[3], ids[5]]);
  assert.deepEqual(await found('<ME@example.com>', 2), [ids[1], ids[2]]);
  assert.deepEqual(await found('192.0.2.1', 3), ids.slice(0, 3));
  assert.deepEqual(await found('<one@example.org>'), ids);
  assert.deepEqual(await found('one@example.org'), ids);
  assert.deepEqual(await found('nobody@example.com'), []);
});

const DAY = 24 * 3600 * 1000;
const EARLIER: readonly {
  why: string;
  earlier: { from?: string; to?: string[]; state?: State; ageMs?: number; sha256?: string };
  now?: { to?: string[] };
  isFound: boolean;
}[] = [
  { why: 'the same message again', earlier: {}, isFound: true },
  { why: 'the sender in other letters', earlier: { from: 'SENDER@example.org' }, isFound: true },
  {
    why: 'only the recipients whose fate is unknown',
    earlier: { to: ['a@example.com', 'b@example.com'] },
    now: { to: ['b@example.com'] },
    isFound: true,
  },
  { why: 'just within two days', earlier: { ageMs: 2 * DAY - 60_000 }, isFound: true },
  { why: 'more than two days ago', earlier: { ageMs: 2 * DAY + 60_000 }, isFound: false },
  { why: 'other bytes', earlier: { sha256: 'cd'.repeat(32) }, isFound: false },
  { why: 'another sender', earlier: { from: 'other@example.org' }, isFound: false },
  { why: 'another recipient', earlier: { to: ['other@example.com'] }, isFound: false },
  {
    why: 'a recipient more',
    earlier: { to: ['a@example.com'] },
    now: { to: ['a@example.com', 'b@example.com'] },
    isFound: false,
  },
  { why: 'an earlier one that was relayed', earlier: { state: 'relayed' }, isFound: false },
  { why: 'an earlier one that was deferred', earlier: { state: 'deferred' }, isFound: false },
];

for (const { why, earlier, now = {}, isFound } of EARLIER) {
  test(`unknownBefore: ${why} is ${isFound ? '' : 'not '}recognised`, async t => {
    const { ledger } = await books(t);
    const { from = 'sender@example.org', to = ['rcpt@example.com'], state = 'unknown', ageMs = 1000 } = earlier;
    const at = Date.now() - ageMs;
    const id = newId(at);
    const entry = { ...spoolEntry(id, { from, to }), sha256: earlier.sha256 ?? 'ab'.repeat(32) };
    await ledger.record(ledgerRecord({ id, from, to, state, entry, endedAt: at }));
    const found = await ledger.unknownBefore(spoolEntry(newId(), { to: now.to ?? earlier.to ?? to }));
    const expected = isFound ? id : null;
    // Where the earlier one went to somebody else, the new one must go to the usual recipient.
    const usual = why === 'another recipient' ? await ledger.unknownBefore(spoolEntry(newId())) : found;
    assert.equal(usual, expected);
  });
}

test('unknownBefore: the message itself, recorded already, is not its own forerunner', async t => {
  const { ledger } = await books(t);
  const id = newId();
  await ledger.record(ledgerRecord({ id, state: 'unknown' }));
  assert.equal(await ledger.unknownBefore(spoolEntry(id)), null);
});

test('unknownBefore: a null sender is a sender like another', async t => {
  const { ledger } = await books(t);
  const id = newId();
  await ledger.record(ledgerRecord({ id, from: '', state: 'unknown' }));
  assert.equal(await ledger.unknownBefore(spoolEntry(newId(), { from: '' })), id);
  assert.equal(await ledger.unknownBefore(spoolEntry(newId())), null);
});

test('addresses of any form go in and are found', async t => {
  const { store, ledger } = await books(t);
  const odd = '"o\'dd; -- \\"x"@example.com';
  await ledger.record(ledgerRecord({ id: newId(), to: [odd] }));
  assert.equal((await traceByAddress(store, recipient(odd).address.text, { limit: 5 })).length, 1);
});

test('unknownBefore: one of an earlier run, and one that ended so just now, are recognised', async t => {
  const { store, ledger } = await books(t);
  const id = newId();
  await ledger.record(ledgerRecord({ id, state: 'unknown' }));
  const later = createLedger(store, silentLog());
  assert.equal(await later.unknownBefore(spoolEntry(newId())), id);
  const second = newId();
  await later.record(ledgerRecord({ id: second, state: 'unknown' }));
  assert.equal(await later.unknownBefore(spoolEntry(newId())), second);
});

test('unknownBefore: a message like no other asks the database only once', async t => {
  const { store } = await books(t);
  let reads = 0;
  const counted = {
    ...store,
    read: ((query: Parameters<typeof store.read>[0]) => {
      reads++;
      return store.read(query);
    }) as typeof store.read,
  };
  const ledger = createLedger(Object.setPrototypeOf(counted, store), silentLog());
  for (let i = 0; i < 5; i++) assert.equal(await ledger.unknownBefore(spoolEntry(newId())), null);
  assert.equal(reads, 1);
});
