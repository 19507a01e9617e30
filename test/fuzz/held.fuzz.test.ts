// The file beside held bytes, of chance and damaged by chance: read back as it was written; else refused, or sound enough
// for rows, a page at a terminal and a release.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseAddress } from '../../src/mail/address.ts';
import type { State } from '../../src/mail/disposition.ts';
import type { Finding, Stated } from '../../src/mail/finding.ts';
import { copyId, mailId } from '../../src/mail/mail-id.ts';
import { type HeldFile, heldText, parseHeld } from '../../src/quarantine/held-file.ts';
import { heldSteps } from '../../src/quarantine/item-rows.ts';
import { compiled, sqliteQueries } from '../../src/store/queries.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { held, ledgerRecord, recipient, report, spoolEntry } from '../support/sample-record.ts';
import { cutText, damaged } from './damage.ts';

const ID = mailId(1_700_000_000_000, new Uint8Array(5));
const WORDS = ['a', ' ', '\r\n', '\0', '\x1b', 'ü', '\ud800', '"', '__proto__', '\u2028', 'x'.repeat(300)];
const MAILBOXES = ['a@b.example', '"q q"@e.example', 'postmaster', 'müller@bücher.example', '"\\""@[192.0.2.1]'];
/** The last as above a message whose first line begins with a blank. */
const STAMPS = ['', 'A: b\r\n c\r\n', 'A: b\r\nC:\r\n\td\r\n\r\n'];
const STATES: readonly State[] = ['held', 'held', 'releasing', 'refused', 'relayed'];

function finding({ next, pick, text }: Chance): Stated {
  const said = (): string => text(WORDS, 3);
  const kinds: readonly Finding[] = [
    { kind: 'hit', symbol: said(), strength: next(), evidence: said() },
    { kind: 'malware', signature: said(), part: said() },
    { kind: 'unscannable', reason: said(), part: said() },
    { kind: 'unavailable', scanner: said(), reason: said() },
    { kind: 'auth', method: 'dkim', result: said(), properties: { [said()]: said() }, comment: said() },
  ];
  return {
    ...pick(kinds),
    scanner: said(),
    points: next() * 100 - 50,
    effect: pick([null, 'tag', 'discard'] as const),
  };
}

function heldFile(luck: Chance): HeldFile {
  const { below, pick, text } = luck;
  const said = (): string => text(WORDS, 3);
  const to = Array.from({ length: 1 + below(4) }, () => pick(MAILBOXES));
  const entry = spoolEntry(ID, { from: pick(['', ...MAILBOXES]), to });
  const copies = to.map((address, index) => ({
    copyId: copyId(ID, index),
    recipient: { ...recipient(address), raw: said() },
    disposition: { state: index === 0 ? 'held' : pick(STATES), words: said(), host: said() },
  }));
  const findings = Array.from({ length: below(6) }, () => finding(luck));
  const summary = { subject: said(), from: [said()], messageId: said(), linkDomains: [], attachments: [] };
  const found = { ...report(ID), findings, ms: { [said()]: below(1000) }, summary: pick([null, summary]) };
  const record = { ...ledgerRecord({ id: ID, entry, words: said() }), copies, report: pick([null, found]) };
  const notes = below(2) === 0 ? {} : { notes: [said()] };
  return { record: held({ ...record, ...notes }, entry), stamp: pick(STAMPS), heldAt: below(2 ** 40) };
}

function sound({ record, stamp, heldAt }: HeldFile): void {
  assert.equal(record.id, ID);
  assert.ok(record.copies.some(copy => copy.disposition.state === 'held'));
  const senders = record.mailFrom.address === null ? [] : [record.mailFrom.address];
  for (const address of [...senders, ...record.copies.map(copy => copy.recipient.address)]) {
    assert.deepEqual(parseAddress(address.text), address);
  }
  for (const ms of [record.startedAt, record.endedAt, record.entry.receivedAt, heldAt]) new Date(ms).toISOString();
  assert.ok(stamp === '' || (/^[!-9;-~]+:/.test(stamp) && stamp.endsWith('\r\n')));
  assert.doesNotMatch(stamp, /\r\n\r\n[\s\S]/);
  for (const { parameters } of heldSteps(sqliteQueries(), { record, stamp, heldAt }).map(compiled)) {
    for (const value of parameters) assert.ok(value === null || ['string', 'number'].includes(typeof value));
    assert.ok(JSON.stringify(parameters).length < 200_000);
  }
}

test('what was held is read back, whatever was found in it', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(1000); i++) {
    const file = heldFile(luck);
    assert.deepEqual(parseHeld(heldText(file), `/nowhere/${ID}.eml`), file);
  }
});

test('I4: a damaged held file is refused with a word about it, or sound', t => {
  const luck = chance(t);
  let read = 0;
  for (let i = 0; i < rounds(6000); i++) {
    const text = heldText(heldFile(luck));
    const wrong = luck.below(4) === 0 ? cutText(text, luck) : JSON.stringify(damaged(JSON.parse(text), luck));
    let file: HeldFile;
    try {
      file = parseHeld(wrong, '/x');
    } catch (error) {
      assert.ok(error instanceof Error && !(error instanceof TypeError), `${String(error)}: ${wrong.slice(0, 3000)}`);
      continue;
    }
    read++;
    sound(file);
  }
  assert.ok(read > rounds(300), `${read} were read`);
});
