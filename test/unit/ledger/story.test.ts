import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { traceTable } from '../../../src/cli/trace-list.ts';
import { createLedger } from '../../../src/ledger/ledger.ts';
import { traceJson, traceStory } from '../../../src/ledger/story.ts';
import { type Traced, traceByAddress, traceById, traceByWords } from '../../../src/ledger/trace.ts';
import { mailId } from '../../../src/mail/mail-id.ts';
import type { LedgerRecord } from '../../../src/mail/ports.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { openStore } from '../../../src/store/store.ts';
import { ledgerRecord, report, temporaryFolder } from '../../support/sample-record.ts';

const AT = Date.UTC(2026, 10, 23, 15, 27, 52, 123);
const ID = mailId(AT, new Uint8Array(5));
const HOSTILE = '\x1b[2J\x1b]0;x\x07\r\nCopy x is released\u202e\u009b';
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/;

function record(changes: Partial<LedgerRecord> = {}): LedgerRecord {
  const base = ledgerRecord({ id: ID, endedAt: AT, state: 'relayed', words: '250 2.0.0 Ok: queued as 4711' });
  const entry = base.entry === null ? null : { ...base.entry, receivedAt: AT - 50 };
  return { ...base, entry, ...changes };
}

async function books(t: TestContext, given: LedgerRecord) {
  const store = await openStore({ path: join(await temporaryFolder(t), 'postern.db') });
  t.after(() => store.close());
  await createLedger(store, silentLog()).record(given);
  const traced: Traced = (await traceById(store, given.id)) ?? assert.fail('not recorded');
  return { store, traced };
}

test('the story of a relayed message is told in order of time', async t => {
  const story = traceStory((await books(t, record())).traced);
  const order = [
    `Message ${ID}: incoming mail on listener public`,
    '2026-11-23 15:27:52.023  a transaction began: client 192.0.2.1 (mail.example.org), with TLSv1.3',
    'it called itself mail.example.org',
    'MAIL FROM:<sender@example.org> BODY=8BITMIME',
    'RCPT TO:<rcpt@example.com>',
    '15:27:52.073  the message was in: 100 bytes, SHA-256 abab',
    'Subject: Test of spam',
    'From: sender@example.org',
    'Message-ID: <one@example.org>',
    'time: data 5 ms, scan 20 ms; scanners: rules 3 ms, clamav 12 ms; rules 0123456789ab',
    '+1000.0  GTUBE  the test string  (rules)',
    'spf=pass',
    'score 1000: QUARANTINE by policy default: score 1000 reaches 8 (quarantine)',
    'we told the client: 250 2.0.0 Ok: queued as 4711',
    'relayed copy 1: 250 2.0.0 Ok: queued as 4711',
    `Copy ${ID}-1 for <rcpt@example.com> is relayed since 2026-11-23 15:27:52.123`,
    'smtp://10.0.0.5:25 (no TLS) said: 250 2.0.0 Ok: queued as 4711',
    'The next hop has it: look there.',
  ];
  let at = -1;
  for (const part of order) {
    const found = story.indexOf(part, at + 1);
    assert.ok(found > at, `${part}: not found after ${at} in\n${story}`);
    at = found;
  }
});

test('for each state it says what to do next', async t => {
  const next = {
    held: `postern quarantine show ${ID}-1`,
    releasing: '--force',
    unknown: 'may send it a second time',
    refused: 'The sender was told and has it',
    deferred: '`postern doctor` says which part or next hop is down',
    abandoned: 'may come back',
    discarded: 'thrown away',
    deleted: 'nobody has it',
  } as const;
  const { traced } = await books(t, record());
  for (const [state, words] of Object.entries(next)) {
    const copies = traced.copies.map(copy => ({ ...copy, state: state as keyof typeof next }));
    assert.ok(traceStory({ ...traced, copies }).includes(words), state);
  }
});

test('a transaction that ended before DATA has a short story', async t => {
  const { traced } = await books(t, record({ entry: null, report: null, verdict: null }));
  const story = traceStory(traced);
  assert.match(story, /no message was taken in/);
  assert.doesNotMatch(story, /score|Subject/);
});

test('every word of the mail is hostile: none moves the cursor or makes a line of its own', async t => {
  const base = record();
  const found = report(ID);
  const summary = { subject: HOSTILE, from: [HOSTILE], messageId: HOSTILE, linkDomains: [], attachments: [] };
  const hit = { kind: 'hit', strength: 1, points: 1, effect: null, scanner: 'rules' } as const;
  const { store, traced } = await books(t, {
    ...base,
    session: { ...base.session, helo: HOSTILE, ptr: HOSTILE, tls: { version: HOSTILE, cipher: HOSTILE } },
    mailFrom: { ...base.mailFrom, raw: HOSTILE },
    report: { ...found, summary, findings: [{ ...hit, symbol: HOSTILE, evidence: HOSTILE }] },
    verdict: { outcome: 'tag', score: 1, policy: HOSTILE, reasons: [{ cause: 'score', text: HOSTILE }] },
    reply: HOSTILE,
    copies: base.copies.map(copy => ({
      ...copy,
      recipient: { ...copy.recipient, raw: HOSTILE },
      disposition: { state: 'relayed' as const, words: HOSTILE, host: HOSTILE },
    })),
    notes: [HOSTILE],
  });
  const texts = [traceStory(traced), traceTable(await traceByAddress(store, 'rcpt@example.com', { limit: 5 }))];
  for (const text of texts) {
    assert.doesNotMatch(text, CONTROL);
    assert.doesNotMatch(text, /^Copy x is released/m);
    assert.ok(text.includes('\\x1b[2J'));
  }
});

test('a message to a thousand recipients stays readable', async t => {
  const to = Array.from({ length: 1000 }, (_, i) => `r${i}@example.com`);
  const { traced } = await books(t, { ...ledgerRecord({ id: ID, to, endedAt: AT }) });
  const story = traceStory(traced);
  assert.match(story, /and 950 more recipients/);
  assert.match(story, /and 800 more: see --json/);
  assert.ok(story.split('\n').length < 500);
});

test('as JSON it is the same, parsed, with nothing of our own bookkeeping', async t => {
  const { traced } = await books(t, record());
  const json = JSON.parse(JSON.stringify(traceJson(traced)));
  assert.equal(json.id, ID);
  assert.deepEqual(json.header_from, ['sender@example.org']);
  assert.equal(json.findings.length, 2);
  assert.deepEqual(json.ms.scanners, { rules: 3, clamav: 12 });
  assert.equal(json.copies[0].state, 'relayed');
  assert.equal(json.events[0].what, 'relayed');
  assert.equal(json.mail_from_key, undefined);
});

test('a row with damaged JSON is told as far as it goes', async t => {
  const { traced } = await books(t, record());
  const message = { ...traced.message, findings: '{', reasons: 'null', ms: '[]', header_from: '' };
  const story = traceStory({ ...traced, message });
  assert.match(story, /no reason was noted/);
  assert.match(story, /is relayed since/);
});

test('the list has one line a copy, with a null sender written as such', async t => {
  const { store } = await books(
    t,
    ledgerRecord({ id: ID, from: '', to: ['a@example.com', 'b@example.com'], endedAt: AT }),
  );
  const lines = await traceByAddress(store, '192.0.2.1', { limit: 10 });
  const list = traceTable(lines, 160);
  assert.equal(list.split('\n').length, 3, 'titles and two copies');
  const why = 'score 1000 reaches 8 \\(quarantine\\)';
  const row = `^2026-11-23 15:27:52  ${ID}  held +1000.0  <> +b@example.com  ${why}  Test of spam$`;
  assert.match(list, new RegExp(row, 'm'));
  const narrow = traceTable(lines, 80);
  assert.match(narrow, new RegExp(`^    ${why} \u00b7 Test of spam$`, 'm'));
  for (const line of narrow.split('\n')) assert.ok(line.length <= 82, line);
});

test('the list says of a recipient that was refused what the next hop said', async t => {
  const base = ledgerRecord({ id: ID, state: 'refused', words: '550 5.1.1 No such user', endedAt: AT });
  const { store } = await books(t, { ...base, reply: '', entry: null, report: null, verdict: null });
  const [line] = await traceByAddress(store, 'rcpt@example.com', { limit: 1 });
  assert.equal(line?.why, '550 5.1.1 No such user');
});

test('a message is found by the next hop\u2019s queue id, and only in the time that was asked for', async t => {
  const { store } = await books(t, record());
  const ids = async (word: string, since?: number) => {
    const lines = await traceByWords(store, word, { limit: 10, ...(since === undefined ? {} : { since }) });
    return lines.map(({ id }) => id);
  };
  assert.deepEqual(await ids('4711'), [ID]);
  assert.deepEqual(await ids('AS 4711'), [ID]);
  assert.deepEqual(await ids('4712'), []);
  assert.deepEqual(await ids('4%1'), [], 'no pattern');
  assert.deepEqual(await ids('4711', AT - 1000), [ID]);
  assert.deepEqual(await ids('4711', AT + 1000), []);
  for (const [since, count] of [
    [AT - 1000, 1],
    [AT + 1000, 0],
  ] as const) {
    assert.equal((await traceByAddress(store, 'rcpt@example.com', { limit: 10, since })).length, count);
  }
});

test('TLS to the next hop is told, and its absence', async t => {
  const { traced } = await books(t, record());
  const at = (host: string) => traceStory({ ...traced, copies: traced.copies.map(copy => ({ ...copy, host })) });
  assert.match(at('smtp://10.0.0.5:25 (TLSv1.3)'), /smtp:\/\/10\.0\.0\.5:25 \(TLSv1\.3\) said: 250/);
  assert.match(at('lmtp:/run/lmtp'), /lmtp:\/run\/lmtp said: 250/);
});

test('a held copy has the reason of the verdict, not what its sender was told', async t => {
  const accepted = '250 2.6.0 Message accepted';
  const story = traceStory((await books(t, ledgerRecord({ id: ID, words: accepted, endedAt: AT }))).traced);
  assert.match(story, /held copy 1: score 1000 reaches 8 \(quarantine\)$/m);
  assert.match(story, /is held since .*\n {2}score 1000 reaches 8 \(quarantine\)\n/);
  assert.equal(story.split(accepted).length, 2, 'once: as what the client was told');
});

test('a release that has begun is said once', async t => {
  const { traced } = await books(t, record());
  const begun = { event_id: 9, message_id: ID, copy_id: `${ID}-1`, at: AT, who: 'root' };
  const events = [...traced.events, { ...begun, what: 'release begun', words: 'release begun by root' }];
  assert.match(traceStory({ ...traced, events }), /release begun copy 1 by root$/m);
});

test('of a recipient that was refused as relaying it says which setting decides', async t => {
  const denied = ledgerRecord({ id: ID, state: 'refused', words: '550 5.7.1 Relaying denied', endedAt: AT });
  const { traced } = await books(t, { ...denied, entry: null, report: null, verdict: null });
  const from = (direction: string) => traceStory({ ...traced, message: { ...traced.message, direction } });
  assert.match(from('outgoing'), /no `outgoing` in the settings/);
  assert.match(from('incoming'), /none of `domains` in the settings/);
});
