// What a held file must say, field by field, and what becomes of files that do not.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';

import type { Stated } from '../../../src/mail/finding.ts';
import { type CopyId, mailIdOf } from '../../../src/mail/mail-id.ts';
import { heldText, parseHeld } from '../../../src/quarantine/held-file.ts';
import { filePaths, type QuarantineSet, quarantineSet } from '../../support/quarantine-set.ts';
import { held, ledgerRecord, newId, report, spoolEntry } from '../../support/sample-record.ts';

const ID = newId();
const OTHER = newId();
const STATED = { scanner: 'x', points: 0, effect: null } as const;
const FINDINGS: readonly Stated[] = [
  { kind: 'hit', symbol: 'A_B', strength: 0.5, evidence: 'seen', scanner: 'rules', points: 1.5, effect: 'tag' },
  { kind: 'malware', signature: 'Eicar', part: '1.2', ...STATED },
  { kind: 'unscannable', reason: 'encrypted', part: '', ...STATED },
  { kind: 'unavailable', reason: 'silent', ...STATED, scanner: 'clamav' },
  { kind: 'auth', method: 'spf', result: 'pass', properties: { 'smtp.mailfrom': 'a' }, comment: '', ...STATED },
];

function made() {
  const to = ['c@d.example', '"q q"@e.example', 'postmaster'];
  const entry = spoolEntry(ID, { from: 'a@b.example', to });
  const attachments = [{ name: 'a.txt', type: 'text/plain', sizeBytes: 3, sha256: 'ab'.repeat(32) }];
  const summary = { subject: 's', from: ['a@b'], messageId: '<m>', linkDomains: ['l.example'], attachments };
  const whole = { ...ledgerRecord({ id: ID, to, entry }), report: { ...report(ID), findings: FINDINGS, summary } };
  return {
    record: held({ ...whole, notes: ['a note'] }, entry),
    stamp: 'A: b\r\n c\r\nD:\r\n',
    heldAt: 1_700_000_000_000,
  };
}

const FILE = made();

type Path = readonly (string | number)[];

/** The file with one value put in, or taken away where it is undefined. */
function withValue(path: Path, value: unknown): string {
  const whole = JSON.parse(heldText(FILE));
  let at = whole;
  for (const key of path.slice(0, -1)) at = at[key];
  const last = path.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(whole);
}

test('a held file with every kind of finding is read back', () => {
  assert.deepEqual(parseHeld(heldText(FILE), `/nowhere/${ID}.eml`), FILE);
  const entry = spoolEntry(ID, { from: '' });
  const bare = { ...ledgerRecord({ id: ID, from: '', entry }), report: null, verdict: null };
  const least = { record: held(bare, entry), stamp: '', heldAt: 0 };
  assert.deepEqual(parseHeld(heldText(least), `/nowhere/${ID}.eml`), least);
});

/** Every place of the file that has a value of its own, lists by their first entries. */
function places(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [
    at,
    ...Object.entries(value).flatMap(([key, one]) => places(one, [...at, Array.isArray(value) ? Number(key) : key])),
  ];
}

/** May be taken away, or be null: what is missing then is said by the rest. */
const OPTIONAL = /^(?:record\.(?:notes|report|verdict|report\.summary)|record\.report\.findings\.\d+\.effect)$/;
/** Any text is as good as any other to the spool's reader, and anything but its one value means the other one. */
const OF_THE_SPOOL =
  /^entry\.(?:session\.(?:ptr|tls|esmtp)|envelope\.(?:smtpUtf8|body|declaredSize|mailFrom\.address))$/;

test('no field may be missing or of another type', () => {
  let tried = 0;
  for (const path of places(JSON.parse(heldText(FILE))).filter(({ length }) => length > 0)) {
    const name = path.join('.');
    const isInList = typeof path.at(-1) === 'number';
    const isFree = /\.(?:ms|properties)\..+$/.test(name) || name === 'record.ms' || OF_THE_SPOOL.test(name);
    if (!isFree && !isInList && !OPTIONAL.test(name)) {
      tried++;
      assert.throws(() => parseHeld(withValue(path, undefined), '/x'), Error, `without ${name}`);
    }
    for (const wrong of [OPTIONAL.test(name) || OF_THE_SPOOL.test(name) ? {} : null, [[]], true, { a: null }]) {
      if (OF_THE_SPOOL.test(name)) continue;
      assert.throws(() => parseHeld(withValue(path, wrong), '/x'), Error, `${name}: ${JSON.stringify(wrong)}`);
    }
  }
  assert.ok(tried > 80, `${tried} fields`);
});

const WRONG: readonly (readonly [why: string, path: Path, value: unknown, says: RegExp])[] = [
  ['a state that is none', ['record', 'copies', 0, 'disposition', 'state'], 'hold', /state/],
  ['a state with the name of a method', ['record', 'copies', 0, 'disposition', 'state'], 'constructor', /state/],
  ['no copies', ['record', 'copies'], [], /no copy is held/],
  ['a copy of another message', ['record', 'copies', 0, 'copyId'], `${OTHER}-1`, /another message/],
  ['a copy that is there twice', ['record', 'copies', 1, 'copyId'], `${ID}-1`, /twice/],
  [
    'a recipient that ends the command',
    ['record', 'copies', 0, 'recipient', 'address', 'text'],
    'c@d.example> X',
    /address/,
  ],
  ['a recipient of two minds', ['record', 'copies', 0, 'recipient', 'address', 'domain'], 'e.example', /address/],
  [
    'a quoted recipient without quotes',
    ['record', 'copies', 1, 'recipient', 'address', 'text'],
    'q q@e.example',
    /address/,
  ],
  ['a sender that ends the command', ['entry', 'envelope', 'mailFrom', 'address', 'text'], 'a@b.example>', /address/],
  ['an envelope to nobody known', ['entry', 'envelope', 'rcptTo', 0, 'address', 'localPart'], 'x', /address/],
  ['a record of another message', ['record', 'id'], OTHER, /another message/],
  ['a report of another message', ['record', 'report', 'id'], OTHER, /another message/],
  ['a report of another version', ['record', 'report', 'version'], 2, /version/],
  ['a time that no calendar has', ['heldAt'], 9e15, /time/],
  ['a time with a fraction', ['record', 'endedAt'], 1.5, /time/],
  ['a time before all', ['record', 'startedAt'], -1, /time/],
  ['an arrival that no calendar has', ['entry', 'receivedAt'], 9e15, /time/],
  ['an outcome that is none', ['record', 'verdict', 'outcome'], 'eat', /outcome/],
  ['a cause that is none', ['record', 'verdict', 'reasons', 0, 'cause'], 'toString', /cause/],
  ['a finding of no kind', ['record', 'report', 'findings', 0, 'kind'], 'guess', /kind/],
  ['a method that is none', ['record', 'report', 'findings', 4, 'method'], 'arc', /method/],
  ['an effect that is none', ['record', 'report', 'findings', 0, 'effect'], 'eat', /effect/],
  ['a stamp that ends the header', ['stamp'], 'A: b\r\n\r\nbody\r\n', /header block/],
  ['a stamp that is an empty line', ['stamp'], '\r\n', /header block/],
  ['a stamp that ends the header twice', ['stamp'], 'A: b\r\n\r\n\r\n', /header block/],
  ['a stamp without an end', ['stamp'], 'A: b', /header block/],
  ['a stamp that is no header', ['stamp'], 'hello\r\n', /header block/],
  ['a stamp that goes on from nothing', ['stamp'], ' A: b\r\n', /header block/],
  ['a stamp with a bare line feed', ['stamp'], 'A: b\nC: d\r\n', /header block/],
];

for (const [why, path, value, says] of WRONG) {
  test(`refused: ${why}`, () => assert.throws(() => parseHeld(withValue(path, value), '/x'), says));
}

async function damage(set: QuarantineSet, change: (text: string) => string): Promise<void> {
  const [copy] = await set.hold();
  const { record } = filePaths(set, mailIdOf(copy as CopyId));
  await writeFile(record, change(await readFile(record, 'utf8')));
  await set.store.write(db => [
    db.deleteFrom('items'),
    db.deleteFrom('holdings'),
    db.deleteFrom('copies'),
    db.deleteFrom('events'),
    db.deleteFrom('messages'),
  ]);
}

test('I4: a message whose record says of no copy that it is held is kept for a person, also at the second start', async t => {
  const set = await quarantineSet(t);
  await damage(set, text => text.replace('"state":"held"', '"state":"relayed"'));
  for (const _ of [1, 2]) {
    const counted = await (await set.again()).recover();
    assert.equal(counted.damaged, 1);
    assert.equal(set.files().length, 2);
  }
});
