// The audit of the fault run finds what it is there for: each kind of trouble planted once, and one run without any.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';

import { type Audit, audit, type Evidence } from './audit.ts';
import type { Arrival } from './hop-process.ts';
import type { Letter } from './mail.ts';
import type { Sent } from './senders.ts';

const RCPT = 'k-0@careful.example';
const [A, B] = ['01k9x2m4q8a7b3c5da', '01k9x2m4q8a7b3c5db'] as const;
const BYTES = 'bytes as the sender made them';
const SHA = createHash('sha256').update(BYTES).digest('hex');

interface Planted {
  readonly kind?: Letter['kind'];
  /** Id and reply of each try. */
  readonly tries?: readonly (readonly [id: string, reply: string])[];
  /** Ids of what the hop has. */
  readonly came?: readonly string[];
  /** Id and state of each row. */
  readonly rows?: readonly (readonly [id: string, state: string])[];
  /** Ids with a file in quarantine. */
  readonly files?: readonly string[];
  readonly spool?: readonly string[];
  readonly refused?: string;
  readonly isKilled?: boolean;
  readonly forced?: readonly string[];
  readonly sha256?: string;
  readonly log?: string;
}

const YES = '250 2.6.0 Message accepted';
const LATER = '451 4.4.2 later';
const RELAYED: Planted = { tries: [[A, YES]], came: [A], rows: [[A, 'relayed']] };
const HELD: Planted = { tries: [[A, YES]], rows: [[A, 'held']], files: [A] };

test('where all views agree nothing is found', t => {
  for (const planted of [RELAYED, HELD, { ...RELAYED, rows: [[A, 'released']] as const }]) {
    assert.deepEqual(look(t, planted).problems, []);
  }
});

const TROUBLE: readonly (readonly [what: string, planted: Planted, expected: RegExp])[] = [
  ['answered and nowhere', { tries: [[A, YES]] }, /LOST/],
  ['answered, and refused in the books', { tries: [[A, YES]], rows: [[A, 'deferred']] }, /LOST/],
  ['relayed in the books and not at the hop', { tries: [[A, YES]], rows: [[A, 'relayed']] }, /0 times at the next hop/],
  ['twice at the hop in one transaction', { ...RELAYED, came: [A, A] }, /2 times at the next hop|one too many/],
  [
    'deferred and at the hop',
    { ...RELAYED, tries: [[A, LATER]], rows: [[A, 'deferred']] },
    /deferred, and at the next/,
  ],
  [
    'answered twice',
    {
      ...RELAYED,
      tries: [
        [A, YES],
        [B, YES],
      ],
    },
    /answered twice/,
  ],
  ['no end', { tries: [[A, LATER]] }, /no end of it/],
  ['a state that is no end', { ...RELAYED, rows: [[A, 'releasing']] }, /no end|still releasing/],
  [
    'in no book',
    {
      tries: [
        ['', ''],
        [B, YES],
      ],
      came: [A, B],
      rows: [[B, 'relayed']],
    },
    /not in the books/,
  ],
  ['in no book and no log', { ...RELAYED, rows: [], isKilled: true }, /in no book and no log/],
  ['a virus passed on', { ...RELAYED, kind: 'virus' }, /a virus was passed on/],
  ['other bytes at the hop', { ...RELAYED, sha256: 'other' }, /I2: .* other bytes/],
  ['held with other bytes', { ...HELD, sha256: 'other' }, /held, with other bytes/],
  ['held without a file', { ...HELD, files: [] }, /no file in quarantine/],
  ['a file without a row', { ...RELAYED, files: [B] }, /without a row/],
  ['left in the spool', { ...RELAYED, spool: [`${B}.eml`] }, /left in the spool/],
  ['refused for good without a reason', { refused: '554 5.0.0 no' }, /refused for good without a reason/],
  ['released twice, and nobody said --force', { ...RELAYED, rows: [[A, 'released']], came: [A, A] }, /one too many/],
];

for (const [what, planted, expected] of TROUBLE) {
  test(`found: ${what}`, t => {
    const { problems } = look(t, planted);
    assert.ok(
      problems.some(problem => expected.test(problem)),
      problems.join('\n') || 'nothing was found',
    );
  });
}

test('a copy that came twice is explained where it can be', t => {
  const twice = {
    tries: [
      ['', ''],
      [B, YES],
    ],
    came: [A, B],
  } as const;
  const cases: readonly (readonly [Planted, RegExp])[] = [
    [
      {
        ...twice,
        tries: [
          [A, LATER],
          [B, YES],
        ],
        rows: [
          [A, 'unknown'],
          [B, 'relayed'],
        ],
      },
      /answer was not heard.*451/,
    ],
    [
      {
        ...twice,
        rows: [
          [A, 'relayed'],
          [B, 'relayed'],
        ],
      },
      /took it, the sender had no answer/,
    ],
    [{ ...twice, rows: [[B, 'relayed']], isKilled: true }, /Postern was killed before it was recorded/],
    [
      {
        ...twice,
        came: [B],
        rows: [
          [A, 'held'],
          [B, 'relayed'],
        ],
        files: [A],
      },
      /it was held, the sender had no answer/,
    ],
    [{ ...RELAYED, came: [A, A], rows: [[A, 'released']], forced: [`${A}-1`] }, /a person who said --force/],
  ];
  for (const [planted, expected] of cases) {
    const { problems, doubles } = look(t, planted);
    assert.deepEqual(problems, []);
    assert.match(Object.keys(doubles).join(), expected);
  }
});

function look(t: TestContext, planted: Planted): Audit {
  const data = mkdtempSync(join(tmpdir(), 'postern-audit-'));
  t.after(() => rmSync(data, { recursive: true, force: true }));
  for (const folder of ['spool', 'quarantine/2026/11/23']) mkdirSync(join(data, folder), { recursive: true });
  for (const name of planted.spool ?? []) writeFileSync(join(data, 'spool', name), '');
  for (const id of planted.files ?? []) writeFileSync(join(data, 'quarantine/2026/11/23', `${id}.eml`), BYTES);
  const database = new DatabaseSync(join(data, 'postern.db'));
  database.exec(`CREATE TABLE messages (id TEXT, sha256 TEXT, outcome TEXT);
    CREATE TABLE copies (copy_id TEXT, message_id TEXT, rcpt_key TEXT, state TEXT);
    CREATE TABLE items (copy_id TEXT, message_id TEXT)`);
  for (const [id, state] of planted.rows ?? []) {
    database.prepare('INSERT INTO messages VALUES (?, ?, ?)').run(id, SHA, 'accept');
    database.prepare('INSERT INTO copies VALUES (?, ?, ?, ?)').run(`${id}-1`, id, RCPT, state);
    database.prepare('INSERT INTO items VALUES (?, ?)').run(`${id}-1`, id);
  }
  database.close();
  return audit(evidence(data, planted));
}

function evidence(data: string, planted: Planted): Evidence {
  const letter: Letter = {
    key: 'k',
    kind: planted.kind ?? 'plain',
    rcpt: [RCPT],
    seed: 1,
    sha256: planted.sha256 ?? SHA,
  };
  const tries = (planted.tries ?? []).map(([id, reply]) => ({ rcpt: [RCPT], id, reply, from: 1000, to: 2000 }));
  const sent: Sent = {
    letter,
    tries,
    refused: new Map(planted.refused === undefined ? [] : [[RCPT, planted.refused]]),
    taken: new Set(tries.some(({ reply }) => reply.startsWith('250')) ? [RCPT] : []),
  };
  const arrival = (id: string): Arrival => ({ key: 'k', id, rcpt: [RCPT], sha256: SHA, at: 1500 });
  return {
    data,
    sent: [sent],
    arrivals: (planted.came ?? []).map(arrival),
    kills: planted.isKilled === true ? [1600] : [],
    forced: new Set(planted.forced ?? []),
    hopRefuses: false,
    log: planted.log ?? '',
  };
}
