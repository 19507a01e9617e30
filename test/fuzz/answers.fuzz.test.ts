// What other programs answer: clamd, name servers, DNS lists, our own worker through Redis. Whatever they say becomes a
// finding, an answer or nothing, never an exception, and only the exact words for clean are clean (I8).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Finding, Report, Stated } from '../../src/mail/finding.ts';
import { mailId } from '../../src/mail/mail-id.ts';
import { ANSWER_MAX_BYTES, decodeAnswer, encodeAnswer } from '../../src/pipeline/answer.ts';
import { parseJob } from '../../src/pipeline/job.ts';
import { DnsError, type Resolver } from '../../src/platform/dns.ts';
import { DnsCache } from '../../src/platform/dns-cache.ts';
import { findingsOf, parseVersion } from '../../src/scanners/clamav/answer.ts';
import { parseClamdAddress } from '../../src/scanners/clamav/clamd-link.ts';
import { askList, type ListOptions, testList } from '../../src/scanners/dns-lists/list.ts';
import { DOMAINS_MAX, subjectsOf } from '../../src/scanners/dns-lists/subjects.ts';
import { findingsOf as authFindings } from '../../src/scanners/sender-auth/facts.ts';
import { trimSignatures } from '../../src/scanners/sender-auth/message-stream.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { session, spoolEntry } from '../support/sample-record.ts';

const ID = mailId(1, new Uint8Array(5));
const ODD = ['\0', '\n', '\r\n', '\x1b[2J', 'ü', '\ud800', '\u2028', ' ', '"', 'x'.repeat(500), '__proto__', ''];

test('only the exact words of clamd for clean are clean', t => {
  const luck = chance(t);
  const pieces = [
    'stream: ',
    'OK',
    ' FOUND',
    ' ERROR',
    'Eicar-Test-Signature',
    'Heuristics.Limits.Exceeded',
    'Heuristics.Encrypted.Zip',
    '\0',
    '\n',
    ...ODD,
  ];
  const exact = new Set(['stream: OK', 'stream: OK\0', 'stream: OK\n', 'stream: OK\0\n']);
  let clean = 0;
  for (let i = 0; i < rounds(20_000); i++) {
    const reply = luck.text(pieces, 5);
    const findings = findingsOf(reply);
    assert.equal(findings.length === 0, exact.has(reply), JSON.stringify(reply));
    if (findings.length === 0) clean++;
    for (const finding of findings) {
      assert.ok(['malware', 'hit', 'unscannable', 'unavailable'].includes(finding.kind));
      assert.ok(JSON.stringify(finding).length < 3000);
      if (finding.kind === 'malware') assert.match(finding.signature, /^[\x21-\x7e]{1,200}$/);
    }
    const version = parseVersion(luck.text(['ClamAV 1.4.6', '/', '27000', 'Mon Nov 23 08:00:00 2026', ...ODD], 6));
    assert.ok(version === null || version.builtAt === null || Number.isFinite(version.builtAt));
    const address = parseClamdAddress(
      luck.text(['unix:', '/run/clamd', ':3310', '[::1]', '127.0.0.1', ':99999', ':0', ...ODD], 4),
    );
    assert.ok(address === null || 'path' in address || (address.port >= 1 && address.port <= 65_535));
  }
  assert.ok(clean > rounds(3));
});

const LIST: ListOptions = {
  zone: 'list.example',
  kind: 'ip',
  codes: [
    { kind: 'bit', bit: 4, symbol: 'BIT' },
    { kind: 'range', first: '127.0.0.2', last: '127.0.0.9', symbol: 'RANGE' },
  ],
  test: { listed: '127.0.0.2', notListed: '127.0.0.1' },
};

test('an answer of a list is listed, not listed, unfit, or none: whatever the name server makes up', async t => {
  const luck = chance(t);
  const signal = new AbortController().signal;
  for (let i = 0; i < rounds(3000); i++) {
    const octet = () => luck.pick(['127', '0', '2', '255', '1', '4', '999', '-1', 'x', '', '1e3', 'NaN']);
    const answers = Array.from({ length: luck.below(40) }, () =>
      Array.from({ length: luck.pick([4, 4, 3, 5]) }, octet).join('.'),
    );
    const resolver: Resolver = {
      resolve: async <T>() => {
        const code = luck.pick(['', '', '', 'ENOTFOUND', 'ESERVFAIL', 'ETIMEOUT']);
        if (code !== '') throw new DnsError(code, 'x');
        return answers as T;
      },
    };
    const kind = luck.pick(['ip', 'domain'] as const);
    const what = luck.pick(['192.0.2.1', '2001:db8::1', 'a.example', '', '::', 'ü', 'x'.repeat(300)]);
    const answer = await askList({ ...LIST, kind }, what, { resolver, signal }).catch(error => {
      assert.ok(error instanceof DnsError, String(error));
      return null;
    });
    if (answer?.kind === 'listed') {
      assert.ok(answer.symbols.every(symbol => symbol === 'BIT' || symbol === 'RANGE'));
      assert.ok(
        answers.some(one => one.startsWith('127.')),
        answers.join(),
      );
      assert.ok(answer.answers.length < 1000);
    }
    assert.ok(['fit', 'unfit', 'down'].includes((await testList(LIST, { resolver, signal })).kind));
  }
});

test('no more names are asked than the limit, and each is a public DNS name', t => {
  const luck = chance(t);
  const pieces = [
    'a',
    '.',
    'example.com',
    'evil.net',
    '@',
    '[192.0.2.1]',
    '192.0.2.1',
    'localhost',
    '.internal',
    'xn--',
    'bücher.de',
    '漢'.repeat(60),
    '%41',
    '/',
    ...ODD,
  ];
  for (let i = 0; i < rounds(1500); i++) {
    const name = () => luck.text(pieces, 4);
    const entry = {
      ...spoolEntry(ID),
      session: session({
        helo: name(),
        ptr: name(),
        clientAddress: luck.pick(['8.8.8.8', '10.0.0.1', '2001:4860::1', '']),
      }),
    };
    const summary = {
      subject: '',
      messageId: '',
      from: Array.from({ length: luck.below(12) }, () => `a@${name()}`),
      linkDomains: Array.from({ length: luck.below(60) }, (_, n) => `${n}${name()}`),
      attachments: [],
    };
    const subjects = subjectsOf({ entry, summary }, new Set(['example.com']));
    assert.ok(subjects.length <= DOMAINS_MAX + 1);
    for (const { kind, value } of subjects) {
      if (kind === 'domain') assert.match(value, /^[a-z0-9_.-]{3,253}$/);
      assert.ok(value !== 'example.com' && !value.endsWith('.internal'));
    }
  }
});

test('the cache of names never grows beyond its limits, and gives only what was put in', t => {
  const luck = chance(t);
  let now = 0;
  const cache = new DnsCache<number>({ maxEntries: 50, maxBytes: 20_000, now: () => now });
  const kept = new Map<string, { value: number; until: number }>();
  for (let i = 0; i < rounds(20_000); i++) {
    const key = luck.pick(['a', '__proto__', 'constructor', `n${luck.below(200)}`]);
    now += luck.below(3);
    if (luck.below(2) === 0) {
      const [ttlMs, bytes] = [luck.pick([0, -1, 5, 100, 1e9]), luck.pick([0, 10, 500, 5000])];
      cache.set(key, i, { ttlMs, bytes });
      kept.set(key, { value: i, until: now + ttlMs });
    } else {
      const found = cache.get(key);
      if (found !== undefined) assert.ok(found === kept.get(key)?.value && now < (kept.get(key)?.until ?? 0));
    }
    assert.ok(cache.entries <= 50 && cache.bytes <= 20_000 && cache.bytes >= 0);
  }
});

function finding(luck: Chance): Stated<Finding> {
  const text = () => luck.text(['a', '漢', ...ODD], 8).slice(0, 300);
  const stated = {
    scanner: text(),
    points: luck.below(20) - 10,
    effect: luck.pick([null, null, 'tag', 'reject'] as const),
  };
  return luck.pick<() => Stated<Finding>>([
    () => ({ ...stated, kind: 'hit', symbol: text(), strength: luck.next(), evidence: text() }),
    () => ({ ...stated, kind: 'malware', signature: text(), part: text() }),
    () => ({ ...stated, kind: 'unscannable', reason: text(), part: text() }),
    () => ({ ...stated, kind: 'unavailable', reason: text() }),
    () => ({
      ...stated,
      kind: 'auth',
      method: 'dkim',
      result: text(),
      properties: { [text()]: text() },
      comment: text(),
    }),
  ])();
}

test('a report comes through Redis as it was, or cut with all that decides still in it', t => {
  const luck = chance(t);
  for (let i = 0; i < rounds(60); i++) {
    const findings = Array.from({ length: luck.below(luck.pick([4, 40, 4000])) }, () => finding(luck));
    const report: Report = { version: 1, id: ID, findings, score: 1, ms: {}, rulesDigest: 'x', summary: null };
    const text = encodeAnswer({ kind: 'report', report });
    assert.ok(Buffer.byteLength(text) <= ANSWER_MAX_BYTES);
    const answer = decodeAnswer(ID, text);
    if (answer?.kind !== 'report') {
      assert.equal(answer?.kind, 'failed');
      continue;
    }
    const isWhole = answer.report.findings.length === findings.length;
    assert.equal(answer.report.score, 1);
    const malware = (list: readonly Stated[]) => list.filter(one => one.kind === 'malware').length;
    if (isWhole) assert.equal(malware(answer.report.findings), malware(findings));
    assert.ok(malware(findings) === 0 || malware(answer.report.findings) > 0);
    assert.equal(decodeAnswer(mailId(2, new Uint8Array(5)), text), null);
  }
});

test('no text is an answer or a job by accident', t => {
  const luck = chance(t);
  const good = encodeAnswer({
    kind: 'report',
    report: { version: 1, id: ID, findings: [], score: 1, ms: {}, rulesDigest: '', summary: null },
  });
  const values = [null, 1, 1.5, 'x', ID, true, [], {}, { kind: 'report' }, Number.MAX_VALUE];
  for (let i = 0; i < rounds(10_000); i++) {
    const at = luck.below(good.length);
    const damaged =
      good.slice(0, at) + luck.pick([...'{}[]",:0', 'null', '\\u', ...ODD]) + good.slice(at + luck.below(12));
    const answer = decodeAnswer(ID, damaged);
    assert.ok(
      answer === null || answer.kind === 'failed' || (answer.report.id === ID && Array.isArray(answer.report.findings)),
    );
    assert.equal(
      decodeAnswer(
        ID,
        luck.pick(['null', '1', '[]', '""', '{}', '', '{"kind":"report"}', '{"kind":"report","report":null}']),
      ),
      null,
    );
    const job = parseJob(
      luck.below(4) === 0
        ? luck.pick(values)
        : {
            version: luck.pick([1, 2, '1']),
            id: luck.pick(values),
            deadline: luck.pick(values),
            enqueued: luck.pick(values),
          },
    );
    assert.ok(job === null || (job.id === ID && typeof job.deadline === 'number'));
  }
});

test('what a sender’s thread found out is findings of known symbols and bounded words', t => {
  const luck = chance(t);
  const result = () => ({
    result: luck.pick(['pass', 'fail', 'none', 'temperror', 'policy', 'neutral']),
    properties: { 'header.d': luck.text(['a.', ...ODD], 5), 'policy.dmarc': luck.pick(['none', 'reject']) },
    comment: luck.text(['c', ...ODD], 6),
  });
  for (let i = 0; i < rounds(3000); i++) {
    const findings = authFindings({
      spf: luck.below(2) === 0 ? null : result(),
      dkim: Array.from({ length: luck.below(12) }, result),
      dmarc: luck.below(2) === 0 ? null : result(),
      ambiguous: luck.text(['', ...ODD], 2),
    });
    for (const one of findings) {
      if (one.kind === 'hit') assert.match(one.symbol, /^[A-Z_]{2,64}$/);
      assert.ok(JSON.stringify(one).length < 4000);
      assert.doesNotMatch(one.kind === 'auth' ? one.comment : one.kind === 'hit' ? one.evidence : '', /[\r\n\0]/);
    }
  }
});

test('signatures beyond the limit go, and nothing else does', t => {
  const luck = chance(t);
  const fields = [
    ...[
      'DKIM-Signature: v=1; d=a.example;\r\n',
      'dkim-signature :\r\n d=b.example\r\n',
      'From: x@a.example\r\n',
      'X: y\r\n',
      'DKIM-Signature\r\n',
      ' folded\r\n',
      'From:\r\n',
      'DKIM-Signatures: x\r\n',
    ],
  ];
  const isSignature = (field: string) => /^dkim-signature[ \t]*:/i.test(field);
  const split = (head: string) => head.split(/(?<=\r\n)(?![ \t])/).filter(field => field !== '');
  for (let i = 0; i < rounds(5000); i++) {
    const head = luck.text(fields, 12);
    const max = luck.below(4);
    const trimmed = split(trimSignatures(head, max));
    const others = (list: readonly string[]) => list.filter(field => !isSignature(field));
    assert.deepEqual(others(trimmed), others(split(head)), JSON.stringify(head));
    // Of the same signature twice one says it all.
    const different = new Set(split(head).filter(isSignature)).size;
    const left = trimmed.filter(isSignature).length;
    assert.ok(left <= Math.max(max, 0) && left >= Math.min(max, different, 1), JSON.stringify(head));
  }
});
