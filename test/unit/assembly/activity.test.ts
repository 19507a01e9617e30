import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Activity, RECENT_MAX, watchedHold, watchedLedger } from '../../../src/assembly/activity.ts';
import type { Ledger, LedgerRecord } from '../../../src/mail/ports.ts';
import { ledgerRecord, newId } from '../../support/sample-record.ts';

const START = Date.UTC(2026, 10, 23, 12);

test('messages are counted by verdict and state, with the time from dot to reply, for a minute', () => {
  const { activity, seen, pass } = world();
  seen({ took: 10 });
  seen({ took: 20 });
  seen({ took: 1000, from: '' });
  const { seconds, verdicts, states, latency, recent } = activity.lastMinute();
  assert.equal(seconds, 1);
  assert.deepEqual(verdicts, { quarantine: 3 });
  assert.deepEqual(states, { held: 3 });
  assert.equal(latency?.count, 3);
  assert.ok(Math.abs((latency?.p50 ?? 0) - 20) <= 1, `${latency?.p50}`);
  assert.ok(Math.abs((latency?.p99 ?? 0) - 1000) <= 50, `${latency?.p99}`);
  assert.deepEqual(
    recent.map(({ from, ms }) => [from, ms]),
    [
      ['', 1000],
      ['sender@example.org', 20],
      ['sender@example.org', 10],
    ],
  );
  pass(59_000);
  assert.equal(activity.lastMinute().verdicts.quarantine, 3);
  pass(2000);
  const later = activity.lastMinute();
  assert.deepEqual([later.seconds, later.verdicts, later.latency], [60, {}, null]);
  assert.equal(later.recent.length, 3, 'the last few stay until others come');
});

test('a transaction without a message counts as unjudged, and has no time', () => {
  const { activity, seen } = world();
  seen({ refused: true });
  const { verdicts, states, latency, recent } = activity.lastMinute();
  assert.deepEqual([verdicts, states, latency], [{ unjudged: 1 }, { refused: 1 }, null]);
  assert.deepEqual([recent[0]?.verdict, recent[0]?.ms, recent[0]?.state], [null, null, 'refused']);
});

test('percentiles are within 5 % from a millisecond to a hundred seconds, and beyond stay at the end', () => {
  for (const took of [0, 1, 7, 63, 480, 5000, 61_000, 99_000]) {
    const { activity, seen } = world();
    seen({ took });
    const { p50 = 0, p99 = 0 } = activity.lastMinute().latency ?? {};
    assert.equal(p50, p99);
    assert.ok(Math.abs(p50 - Math.max(1, took)) <= Math.max(1, took * 0.05), `${took}: ${p50}`);
  }
  const { activity, seen } = world();
  seen({ took: 3_600_000 });
  assert.ok((activity.lastMinute().latency?.p50 ?? 0) >= 99_000);
});

test('it holds no more, however many come', () => {
  const { activity, seen, pass } = world();
  for (let i = 0; i < 5000; i++) {
    seen({ took: i % 100 });
    if (i % 50 === 0) pass(1000);
  }
  const { recent, verdicts } = activity.lastMinute();
  assert.equal(recent.length, RECENT_MAX);
  assert.ok((verdicts.quarantine ?? 0) <= 3000, 'sixty seconds of fifty');
  const long = `${'a'.repeat(64)}@${'b.'.repeat(200)}example.org`;
  const [record] = [made({})];
  activity.seen({ ...record, mailFrom: { raw: '', address: { ...address(record), text: long } } });
  assert.equal(activity.lastMinute().recent[0]?.from.length, 256);
});

test('what was recorded, noted for later or held is seen once; what failed is not', async () => {
  const { activity } = world();
  const failing = { isFailing: false };
  const ledger: Ledger = {
    notReady: () => null,
    unknownBefore: async () => null,
    recordLater: () => undefined,
    record: async () => {
      if (failing.isFailing) throw new Error('disk gone');
    },
  };
  const hold = { hold: ledger.record };
  const watched = watchedLedger(ledger, activity);
  const held = watchedHold(hold, activity);
  const record = made({});
  const { entry } = record;
  assert.ok(entry !== null);
  await watched.record(record);
  await held.hold({ ...record, entry }, '');
  failing.isFailing = true;
  await assert.rejects(watched.record(record));
  await assert.rejects(held.hold({ ...record, entry }, ''));
  watched.recordLater(record, new Error('disk gone'));
  assert.equal(activity.lastMinute().recent.length, 3);
  assert.equal(watched.notReady(), null);
});

interface Made {
  readonly from?: string;
  readonly refused?: boolean;
}

function made({ from, refused = false }: Made, dotAt = START): LedgerRecord {
  const record = ledgerRecord({ id: newId(START), ...(from === undefined ? {} : { from }), endedAt: dotAt });
  if (!refused) return { ...record, entry: record.entry === null ? null : { ...record.entry, receivedAt: dotAt } };
  const disposition = { state: 'refused', words: '550 5.7.1 no', host: '' } as const;
  const copies = record.copies.map(copy => ({ ...copy, disposition }));
  return { ...record, entry: null, report: null, verdict: null, copies };
}

function address(record: LedgerRecord) {
  const found = record.mailFrom.address;
  if (found === null) throw new Error('the sample has a sender');
  return found;
}

function world() {
  let now = START;
  const activity = new Activity(() => now);
  const seen = ({ took = 0, ...what }: Made & { took?: number }) => activity.seen(made(what, now - took));
  const pass = (ms: number) => {
    now += ms;
  };
  return { activity, seen, pass };
}
