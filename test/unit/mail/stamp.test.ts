import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Auth, Stated } from '../../../src/mail/finding.ts';
import { mailId } from '../../../src/mail/mail-id.ts';
import { rfc5322Date, type StampFacts, stamp } from '../../../src/mail/stamp.ts';
import { envelope, report, session, VERDICT } from '../../support/sample-record.ts';

const AT = Date.UTC(2026, 10, 3, 5, 7, 2);
const ID = mailId(AT, new Uint8Array(5));
const HOST = 'mx.example.com';

function facts(changes: Partial<StampFacts> = {}): StampFacts {
  return {
    id: ID,
    hostname: HOST,
    session: session(),
    envelope: envelope('sender@example.org', ['rcpt@example.com']),
    report: report(ID),
    verdict: VERDICT,
    requiredScore: 5,
    receivedAt: AT,
    ...changes,
  };
}

/** Fields of the block, unfolded. */
function fields(changes: Partial<StampFacts> = {}): Map<string, string> {
  const block = stamp(facts(changes));
  const lines = block.replace(/\r\n[ \t]/g, ' ').split('\r\n');
  assert.equal(lines.pop(), '', 'the block ends with its last line');
  return new Map(lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
}

const auth = (changes: Partial<Auth>): Stated => ({
  kind: 'auth',
  method: 'dkim',
  result: 'pass',
  properties: {},
  comment: '',
  scanner: 'sender-auth',
  points: 0,
  effect: null,
  ...changes,
});

test('spam is marked as SpamAssassin’s users filter on it', () => {
  const found = fields();
  assert.equal(found.get('X-Spam-Flag'), 'YES');
  assert.equal(found.get('X-Spam-Score'), '1000.0');
  assert.equal(found.get('X-Spam-Level'), '*'.repeat(50));
  assert.match(found.get('X-Spam-Status') ?? '', /^Yes, score=1000\.0 required=5\.0 tests=GTUBE=1000 autolearn=no/);
});

test('what is accepted has no flag and no stars below one point', () => {
  const clean = { ...report(ID), score: -0.5, findings: [] };
  const found = fields({ report: clean, verdict: { ...VERDICT, outcome: 'accept', score: -0.5 } });
  assert.equal(found.has('X-Spam-Flag'), false);
  assert.equal(found.has('X-Spam-Level'), false);
  assert.match(found.get('X-Spam-Status') ?? '', /^No, score=-0\.5 required=5\.0 tests=none /);
});

test('Received names who, where, how and when (RFC 5321 4.4, RFC 3848)', () => {
  const one = fields().get('Received') ?? '';
  assert.equal(
    one,
    `from mail.example.org (mail.example.org [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384) by ${HOST} with ESMTPS id ${ID} for <rcpt@example.com>; Tue, 03 Nov 2026 05:07:02 +0000`,
  );
});

const PROTOCOLS = [
  [{ esmtp: false, tls: null }, false, 'SMTP'],
  [{ esmtp: true, tls: null }, false, 'ESMTP'],
  [{ esmtp: true }, false, 'ESMTPS'],
  [{ esmtp: true, tls: null }, true, 'UTF8SMTP'],
  [{ esmtp: true }, true, 'UTF8SMTPS'],
] as const;

for (const [changes, smtpUtf8, protocol] of PROTOCOLS) {
  test(`a session ${JSON.stringify(changes)}${smtpUtf8 ? ' with SMTPUTF8' : ''} is ${protocol}`, () => {
    const given = { ...envelope('', ['a@example.com']), smtpUtf8 };
    assert.match(
      fields({ session: session(changes), envelope: given }).get('Received') ?? '',
      new RegExp(` with ${protocol} id `),
    );
  });
}

test('several recipients are not told of each other', () => {
  const given = envelope('', ['a@example.com', 'b@example.com']);
  assert.doesNotMatch(stamp(facts({ envelope: given })), /a@example\.com|b@example\.com/);
});

test('an IPv6 client without names', () => {
  const from = session({ clientAddress: '2001:db8::1', ptr: null, helo: '', tls: null });
  assert.match(fields({ session: from }).get('Received') ?? '', /^from unknown \(\[IPv6:2001:db8::1\]\) by /);
});

test('Authentication-Results leave addresses as they are and quote base64 (RFC 8601 section 2.2)', () => {
  const properties = { 'header.b': 'a/b+c=', 'smtp.mailfrom': 'a+b@example.org', 'header.i': '@example.org' };
  assert.equal(
    fields({ report: { ...report(ID), findings: [auth({ properties })] } }).get('Authentication-Results'),
    `${HOST}; dkim=pass header.b="a/b+c=" smtp.mailfrom=a+b@example.org header.i=@example.org`,
  );
});

test('Authentication-Results begin with our name and quote what is no token (RFC 8601)', () => {
  const findings = [
    auth({ method: 'spf', result: 'fail', properties: { 'smtp.mailfrom': 'example.org' }, comment: 'no (such) host' }),
    auth({ properties: { 'header.d': 'exa mple; dkim=pass', 'header.s': 'a"b\\c' } }),
  ];
  assert.equal(
    fields({ report: { ...report(ID), findings } }).get('Authentication-Results'),
    `${HOST}; spf=fail (no such host) smtp.mailfrom=example.org; dkim=pass header.d="exa mple; dkim=pass" header.s="a\\"b\\\\c"`,
  );
  assert.equal(fields({ report: { ...report(ID), findings: [] } }).get('Authentication-Results'), `${HOST}; none`);
});

test('a result that is no word starts no other result', () => {
  const findings = [auth({ result: 'none; dmarc=pass', properties: { 'x; dmarc': 'pass' } })];
  const value = fields({ report: { ...report(ID), findings } }).get('Authentication-Results') ?? '';
  assert.equal(value.split(';').length, 2);
});

test('the report says which scanners gave no answer', () => {
  const gone: Stated = { kind: 'unavailable', scanner: 'clamav', reason: 'x', points: 0, effect: null };
  const value = fields({ report: { ...report(ID), findings: [gone, gone] } }).get('X-Postern-Report') ?? '';
  assert.match(
    value,
    /^id=\w{18}; outcome=quarantine; policy=default; rules=0123456789ab; unavailable=clamav; reason="score/,
  );
});

test('a thousand findings make a header that is long, but bounded', () => {
  const hit = {
    kind: 'hit',
    symbol: 'S'.repeat(64),
    strength: 1,
    evidence: '',
    scanner: 'x',
    points: 1.5,
    effect: null,
  } as const;
  const block = stamp(facts({ report: { ...report(ID), findings: Array(1000).fill(hit) } }));
  assert.ok(block.length < 20_000, `${block.length}`);
});

test('a date is written in UTC with two digits for the day (RFC 5322 3.3)', () => {
  assert.equal(rfc5322Date(AT), 'Tue, 03 Nov 2026 05:07:02 +0000');
});

test('results beyond all measure do not make the header so', () => {
  const findings = Array.from({ length: 4000 }, () => auth({}));
  const results = fields({ report: { ...report(ID), findings } }).get('Authentication-Results') ?? '';
  assert.equal(results.split('; ').length, 101);
});
