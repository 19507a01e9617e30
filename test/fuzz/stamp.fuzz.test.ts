// The header block of any facts, and forged headers of any spelling: no value leaves its header, no line is too long, no
// forged name stays, and nothing else is taken away.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Address } from '../../src/mail/address.ts';
import type { Stated } from '../../src/mail/finding.ts';
import { HeaderFilter } from '../../src/mail/forged.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import { type StampFacts, stamp } from '../../src/mail/stamp.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { envelope, session } from '../support/sample-record.ts';

const HOST = 'mx.example.com';
const ID = mailId(1, new Uint8Array(5));

const PIECES = [
  ...'aZ0.,;:="\\()<>[] \t',
  '\r\n',
  '\r',
  '\n',
  '\0',
  '\x1b[2J',
  '\u0085',
  '\u2028',
  'ü',
  '😀',
  '\ud800',
  '\r\nX-Spam-Flag: NO',
  '\r\n\r\nbody',
  'x'.repeat(300),
  ' '.repeat(300),
  'y'.repeat(2000),
];

function hostileFacts(luck: Chance): StampFacts {
  const text = () => luck.text(PIECES, 12);
  const address: Address = { localPart: text(), domain: text(), text: text() };
  const common = { scanner: text(), points: luck.below(100) / 10, effect: null };
  const findings: Stated[] = Array.from({ length: luck.below(6) }, () =>
    luck.pick<() => Stated>([
      () => ({ ...common, kind: 'hit', symbol: text(), strength: 1, evidence: text() }),
      () => ({ ...common, kind: 'unavailable', reason: text() }),
      () => ({
        ...common,
        kind: 'auth',
        method: 'dkim',
        result: text(),
        properties: { [text()]: text() },
        comment: text(),
      }),
    ])(),
  );
  return {
    id: ID,
    hostname: HOST,
    session: session({ helo: text(), ptr: text(), tls: { version: text(), cipher: text() } }),
    envelope: { ...envelope('', []), rcptTo: [{ raw: text(), address }] },
    report: { version: 1, id: ID, findings, score: luck.below(100), ms: {}, rulesDigest: text(), summary: null },
    verdict: { outcome: 'tag', score: 1, policy: text(), reasons: [{ cause: 'score', text: text() }] },
    requiredScore: 5,
    receivedAt: 0,
  };
}

const NAMES = new Set([
  'X-Spam-Flag',
  'X-Spam-Score',
  'X-Spam-Level',
  'X-Spam-Status',
  'X-Postern-Report',
  'Authentication-Results',
  'Received',
]);

test('no fact can break out of its header', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(2000); i++) {
    const block = stamp(hostileFacts(luck));
    assert.ok(block.endsWith('\r\n'));
    const lines = block.slice(0, -2).split('\r\n');
    const seen = new Set<string>();
    for (const line of lines) {
      // RFC 5322 2.1.1.
      assert.ok(Buffer.byteLength(line) <= 998, `${line.length} octets`);
      assert.match(line, /^[\x20-\x7e\t]+$/);
      // RFC 5322 3.2.2: a folded line is not made of white space alone.
      assert.match(line, /[^ \t]/);
      if (line.startsWith('\t')) continue;
      const name = line.slice(0, line.indexOf(':'));
      assert.ok(NAMES.has(name) && !seen.has(name), line);
      seen.add(name);
    }
    assert.equal(seen.has('Received'), true);
  }
});

const BLANKS = ['', ' ', '\t', '\r\n ', '\r\n\t', ' \r\n '];
const COMMENTS = ['', '(x)', '(a(b)c)', '(\\))', '()', '("")', `(${'z'.repeat(500)})`];

function anyCase(luck: Chance, text: string): string {
  return [...text].map(char => (luck.below(2) === 0 ? char.toLowerCase() : char.toUpperCase())).join('');
}

function blanks(luck: Chance): string {
  return luck.pick(BLANKS) + luck.pick(COMMENTS) + luck.pick(BLANKS);
}

function forgedField(luck: Chance): string {
  const own = ['X-Spam-Flag', 'X-Spam', 'X-Postern', 'X-Spam-Status', 'X-Postern-Release', 'X-Spam-é'];
  // What Buffer writes as latin1 stays one byte a character.
  if (luck.below(2) === 0)
    return `${anyCase(luck, luck.pick(own))}${luck.pick(['', ' ', '\t'])}:${luck.pick(BLANKS)}value\r\n`;
  const id = luck.pick([HOST, `"${HOST}"`, `${HOST}.`, '"mx\\.example.com"']);
  const rest = luck.pick([';', ' ;', ' 1;', '(c);', '\r\n ;']);
  return `${anyCase(luck, 'Authentication-Results')}${luck.pick(['', ' '])}:${blanks(luck)}${anyCase(luck, id)}${rest} spf=pass\r\n`;
}

const HONEST = [
  'Subject: x\r\n',
  'A:\r\n b\r\n\tc\r\n',
  'Authentication-Results: other.example; spf=pass\r\n',
  'X-Spamd: x\r\n',
  'garbage\r\n',
];

function filtered(luck: Chance, message: string): string {
  const bytes = Buffer.from(message, 'latin1');
  const filter = new HeaderFilter(HOST);
  const kept: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + luck.below(luck.pick([2, 20, 2000]));
    kept.push(...filter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return Buffer.concat([...kept, ...filter.end()]).toString('latin1');
}

test('forged names of any case, folding and comment are found, and nothing else', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(3000); i++) {
    let message = '';
    let honest = '';
    for (let n = luck.below(8); n >= 0; n--) {
      const isForged = luck.below(2) === 0;
      const field = isForged ? forgedField(luck) : luck.pick(HONEST);
      message += field;
      if (!isForged) honest += field;
    }
    const body = '\r\nX-Spam-Flag: NO\r\n\r\n';
    assert.equal(filtered(luck, message + body), honest + body, JSON.stringify(message));
  }
});
