// Several hosts, what they can do, TLS, LMTP, health.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { createNextHop } from '../../../src/delivery/next-hop.ts';
import { MailError, replyOf } from '../../../src/mail/error.ts';
import type { HopTransaction } from '../../../src/mail/ports.ts';
import { REPLIES, replyText } from '../../../src/mail/reply.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { type FakeHopOptions, selfSigned } from '../../support/fake-hop.ts';
import { needs } from '../../support/require.ts';
import {
  bytes,
  deliver,
  fakeHop,
  hopTo,
  type KitOptions,
  MESSAGE,
  PLAIN,
  ready,
  recipient,
  sender,
  told,
  until,
  within,
} from './hop-kit.ts';

const FAILURES: readonly [string, FakeHopOptions][] = [
  ['refuses with 554', { steps: { connect: '554 no' } }],
  ['is busy with 421', { steps: { connect: '421 busy' } }],
  ['closes at once', { steps: { connect: 'close' } }],
  ['says nothing', { steps: { connect: 'silent' } }],
  ['talks garbage', { steps: { EHLO: 'garbage' } }],
];

for (const [what, options] of FAILURES) {
  test(`a host that ${what}: the next one is used, and the first is tried last from then on`, async t => {
    const [first, second] = [await fakeHop(t, options), await fakeHop(t)];
    const hop = hopTo(t, [first.smtp, second.smtp], { timeouts: { commandMs: 300 } });
    const transaction = await ready(hop);
    assert.equal(transaction.host, second.smtp);
    transaction.release();
    assert.equal(await told(hop), 'done 250');
    assert.equal(first.connections, 1);
  });
}

test('a host that is down: the next one is used; when both are down the error names both', async t => {
  const [first, second] = [await fakeHop(t), await fakeHop(t)];
  await first.stop();
  const hop = hopTo(t, [first.smtp, second.smtp]);
  assert.equal(await told(hop), 'done 250');
  await until(() => second.lines.includes('1 RSET'), 'RSET');
  await second.stop();
  await assert.rejects(
    hop.open(within()).then(transaction => transaction.mail(sender('a@b.example'), PLAIN)),
    error => {
      assert(error instanceof MailError);
      assert(error.message.includes(first.smtp) && error.message.includes(second.smtp), error.message);
      return true;
    },
  );
});

test('the first host is used again once its time is over', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const [first, second] = [await fakeHop(t, { steps: { connect: '554 no' } }), await fakeHop(t)];
  const hop = hopTo(t, [first.smtp, second.smtp], { pool: { maxMessages: 1 } });
  const hostsAt = async (now: number) => {
    t.mock.timers.setTime(now);
    const transaction = await hop.open(within());
    transaction.release();
    return [transaction.host === first.smtp ? 'first' : 'second', first.connections];
  };
  assert.deepEqual(await hostsAt(1_000_000), ['second', 1]);
  assert.deepEqual(await hostsAt(1_029_000), ['second', 1]);
  assert.deepEqual(await hostsAt(1_031_000), ['second', 2]);
  // It failed again: twice as long.
  assert.deepEqual(await hostsAt(1_089_000), ['second', 2]);
  first.steps = {};
  assert.deepEqual(await hostsAt(1_092_000), ['first', 3]);
  // All is forgiven: the next failure counts as a first one.
  first.steps = { connect: '554 no' };
  assert.deepEqual(await hostsAt(1_093_000), ['second', 4]);
  assert.deepEqual(await hostsAt(1_122_000), ['second', 4]);
  assert.deepEqual(await hostsAt(1_124_000), ['second', 5]);
});

test('many messages that meet one outage are one failure, logged once', async t => {
  const lines: string[] = [];
  const fake = await fakeHop(t, { steps: { connect: '554 no' } });
  const hop = hopTo(t, [fake.smtp], { onLog: line => lines.push(line) });
  await Promise.all(Array.from({ length: 10 }, () => assert.rejects(hop.open(within()), MailError)));
  assert.equal(fake.connections, 10);
  const warnings = lines.map(line => JSON.parse(line)).filter(line => line.level === 'warn');
  assert.deepEqual(
    warnings.map(line => [line.host, line.backOffMs]),
    [[fake.smtp, 30_000]],
  );
});

test('all hosts are tried even where all of them failed lately', async t => {
  const fake = await fakeHop(t, { steps: { connect: '554 no' } });
  const hop = hopTo(t, [fake.smtp]);
  assert.equal(await told(hop), 'open 451 4.4.1');
  fake.steps = {};
  assert.equal(await told(hop), 'done 250');
});

test('a host whose connections are all in use is not ill: the next one helps out', async t => {
  const [first, second] = [await fakeHop(t), await fakeHop(t)];
  const hop = hopTo(t, [first.smtp, second.smtp], { pool: { maxConnections: 1, waitMs: 400 } });
  const [held, other] = [await ready(hop), await ready(hop)];
  assert.deepEqual([held.host, other.host], [first.smtp, second.smtp]);
  for (const transaction of [held, other]) transaction.release();
  await until(() => [first, second].every(fake => fake.lines.includes('1 RSET')), 'both are free again');
  const next = await ready(hop);
  assert.equal(next.host, first.smtp);
  next.release();
});

test('a deadline that passes counts against the host, a client that goes away does not', async t => {
  const [first, second] = [await fakeHop(t, { steps: { connect: 'silent' } }), await fakeHop(t)];
  const hop = hopTo(t, [first.smtp, second.smtp]);
  const gone = new AbortController();
  const opening = hop.open(gone.signal);
  await until(() => first.connections === 1, 'connected');
  gone.abort();
  await assert.rejects(opening, MailError);
  await assert.rejects(hop.open(AbortSignal.timeout(50)), MailError);
  assert.equal(first.connections, 2);
  assert.equal(await told(hop), 'done 250');
  assert.equal(first.connections, 2);
});

test('while a message was scanned its host died: the other host gets the whole transaction', async t => {
  const [first, second] = [await fakeHop(t), await fakeHop(t)];
  const transaction = await ready(hopTo(t, [first.smtp, second.smtp]));
  assert.equal(transaction.host, first.smtp);
  await first.stop();
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  assert.equal(transaction.host, second.smtp);
  assert.equal(second.messages.length, 1);
  transaction.release();
});

test('a host that can do less does not take over what was promised for another', async t => {
  const [first, second] = [await fakeHop(t), await fakeHop(t, { offers: ['8BITMIME'] })];
  const transaction = await ready(hopTo(t, [first.smtp, second.smtp]));
  await first.stop();
  await assert.rejects(transaction.data(bytes(MESSAGE), within()), (error: unknown) => {
    return error instanceof MailError && error.reply.code === 451;
  });
  assert.equal(second.messages.length, 0);
  transaction.release();
});

test('capabilities are unknown at first, then the least of all hosts seen', async t => {
  const [first, second] = [
    await fakeHop(t, { offers: ['SIZE 1000', '8bitmime', 'SMTPUTF8'] }),
    await fakeHop(t, { offers: ['SIZE=500', '8BITMIME'] }),
  ];
  const hop = hopTo(t, [first.smtp, second.smtp]);
  assert.equal(hop.capabilities(), null);
  await deliver(hop);
  assert.deepEqual(hop.capabilities(), { sizeBytes: 1000, eightBitMime: true, smtpUtf8: true });
  await hop.health();
  assert.deepEqual(hop.capabilities(), { sizeBytes: 500, eightBitMime: true, smtpUtf8: false });
});

for (const [offer, expected] of [
  ['SIZE', null],
  ['SIZE 0', null],
  ['SIZE 99999999999999999999', null],
  ['SIZE -5', null],
  ['SIZE 0100', 100],
] as const) {
  test(`${offer} is a limit of ${expected}`, async t => {
    const fake = await fakeHop(t, { offers: [offer] });
    const hop = hopTo(t, [fake.smtp]);
    await hop.health();
    assert.equal(hop.capabilities()?.sizeBytes, expected);
  });
}

test('health says which host does not answer, and what to do', async t => {
  const [first, second] = [await fakeHop(t, { steps: { connect: '554 5.3.2 closed' } }), await fakeHop(t)];
  const hop = hopTo(t, [first.smtp, second.smtp]);
  const health = await hop.health();
  assert.equal(health.level, 'degraded');
  assert.equal(health.says, `${first.smtp}: greeted with 554 5.3.2 closed`);
  assert.match(health.next, /let it accept mail from this machine's address/);
  await until(() => second.open === 0, 'closed');
  assert.deepEqual(second.lines, ['1 EHLO gateway.example', '1 QUIT']);
  await second.stop();
  assert.equal((await hop.health()).level, 'down');
  first.steps = {};
  assert.equal((await hopTo(t, [first.smtp]).health()).level, 'ok');
});

const OWN = 'Zx7_own-word';
const GREETINGS: readonly [greeting: string, reply: string | null][] = [
  [`220 mx.example.org ESMTP ${OWN}`, '451 4.4.6'],
  [`220-mx.example.org ESMTP ${OWN}\r\n220 welcome`, '451 4.4.6'],
  [`220 ${OWN}`, '451 4.4.6'],
  [`220 mx.example.org ESMTP ${OWN}x`, null],
  [`220 mx.example.org ESMTP ${OWN.toLowerCase()}`, null],
  ['220 mx.example.org ESMTP', null],
  [`421 4.7.0 ${OWN} too many`, '451 4.4.1'],
];
for (const [greeting, reply] of GREETINGS) {
  test(`a host that greets with ${JSON.stringify(greeting)} is ${reply === '451 4.4.6' ? '' : 'not '}ourselves`, async t => {
    const fake = await fakeHop(t, { steps: { connect: greeting as `${number}${string}` } });
    const hop = hopTo(t, [fake.smtp], { ownWord: OWN });
    const opened = await hop.open(within()).catch((error: unknown) => error);
    if (reply === null) {
      assert.ok(!(opened instanceof Error), String(opened));
      return (opened as HopTransaction).release();
    }
    assert.equal(replyText(replyOf(opened)).slice(0, 9), reply);
    assert.deepEqual(fake.lines, [], 'nothing was asked of it');
    const health = await hop.health();
    assert.equal(health.level, 'down');
    if (reply === '451 4.4.6') assert.match(health.next, /nextHop must name the mail server behind this gateway/);
  });
}

test('where one of two hosts is ourselves the other gets the mail, and health says what is wrong', async t => {
  const [own, other] = [await fakeHop(t, { steps: { connect: `220 mx ESMTP ${OWN}` } }), await fakeHop(t)];
  const hop = hopTo(t, [own.smtp, other.smtp], { ownWord: OWN });
  assert.equal((await deliver(hop)).code, 250);
  assert.equal(other.messages.length, 1);
  const health = await hop.health();
  assert.equal(health.level, 'degraded');
  assert.equal(health.says, `${own.smtp}: leads back to this gateway itself`);
});

const cert = { key: '', cert: '' };
const TLS: readonly [string, 'none' | 'may' | 'must' | 'verify', FakeHopOptions, string, boolean][] = [
  ['none: never asked for', 'none', { tls: cert }, 'done 250', false],
  ['may: used where offered', 'may', { tls: cert }, 'done 250', true],
  ['may: in clear where not offered', 'may', {}, 'done 250', false],
  ['may: in clear where refused', 'may', { tls: cert, steps: { STARTTLS: '454 not now' } }, 'done 250', false],
  ['must: used', 'must', { tls: cert }, 'done 250', true],
  ['must: not offered', 'must', {}, 'open 451 4.4.1', false],
  ['must: refused', 'must', { tls: cert, steps: { STARTTLS: '454 not now' } }, 'open 451 4.4.1', false],
  ['must: no handshake', 'must', { tls: cert, steps: { STARTTLS: { raw: '220 go\r\n' } } }, 'open 451 4.4.1', false],
  ['verify: nobody vouches for it', 'verify', { tls: cert }, 'open 451 4.4.1', false],
  [
    'an answer injected behind STARTTLS',
    'may',
    { tls: cert, steps: { STARTTLS: { raw: '220 go\r\n250 SIZE 1\r\n', thenTls: true } } },
    'open 451 4.4.1',
    false,
  ],
  [
    'half an answer injected',
    'must',
    { tls: cert, steps: { STARTTLS: { raw: '220 go\r\n250-', thenTls: true } } },
    'open 451 4.4.1',
    false,
  ],
];

for (const [what, tls, options, expected, isSecure] of TLS) {
  test(`STARTTLS ${what}: ${expected}`, async t => {
    if (!needs(t, 'openssl')) return;
    const fake = await fakeHop(t, { ...options, ...(options.tls === undefined ? {} : { tls: selfSigned() }) });
    assert.equal(await told(hopTo(t, [fake.smtp], { tls, timeouts: { connectMs: 2000, commandMs: 2000 } })), expected);
    assert.equal(fake.lines.filter(line => /EHLO/.test(line)).length, isSecure ? 2 : 1);
  });
}

test('the name of the host tells whether the connection is encrypted, after a rest as well', async t => {
  if (!needs(t, 'openssl')) return;
  const [clear, secure] = [await fakeHop(t), await fakeHop(t, { tls: selfSigned() })];
  for (const [fake, name] of [[clear, clear.smtp] as const, [secure, `${secure.smtp} (TLSv1.3)`] as const]) {
    const hop = hopTo(t, [fake.smtp], { tls: 'may' });
    for (let i = 0; i < 2; i++) {
      const transaction = await hop.open(within());
      assert.equal(transaction.host, name);
      transaction.release();
    }
  }
});

test('STARTTLS may: no handshake, so a new connection in clear, and no second try for a while', async t => {
  const fake = await fakeHop(t, { tls: cert, steps: { STARTTLS: { say: '220 go', close: true } } });
  const hop = hopTo(t, [fake.smtp], { pool: { maxMessages: 1 } });
  assert.equal(await told(hop), 'done 250');
  assert.equal(await told(hop), 'done 250');
  assert.equal(fake.connections, 3);
  assert.equal(fake.lines.filter(line => /STARTTLS/.test(line)).length, 1);
});

test('STARTTLS verify: the right authority and the right name', async t => {
  if (!needs(t, 'openssl')) return;
  const pair = selfSigned();
  const fake = await fakeHop(t, { tls: pair });
  assert.equal(await told(hopTo(t, [fake.smtp], { tls: 'verify', ca: pair.cert })), 'done 250');
  assert.equal(await told(hopTo(t, [`smtp://localhost:${fake.port}`], { tls: 'verify', ca: pair.cert })), 'done 250');
  const other = selfSigned('other.example');
  const wrong = await fakeHop(t, { tls: other });
  assert.equal(await told(hopTo(t, [wrong.smtp], { tls: 'verify', ca: other.cert })), 'open 451 4.4.1');
  assert.equal(await told(hopTo(t, [wrong.smtp], { tls: 'must' })), 'done 250');
});

test('what to do about a host goes by what is wrong with it', async t => {
  if (!needs(t, 'openssl')) return;
  const down = await fakeHop(t);
  await down.stop();
  const pair = selfSigned();
  const other = selfSigned('other.example');
  const secure = await fakeHop(t, { tls: pair });
  const misnamed = await fakeHop(t, { tls: other });
  const clear = await fakeHop(t);
  const cases: readonly [string, KitOptions, RegExp, RegExp][] = [
    [down.smtp, {}, /ECONNREFUSED/, /^start the server, or correct the port/],
    ['lmtp:/nowhere/lmtp.sock', {}, /ENOENT/, /^start the server, or correct the path/],
    [secure.smtp, { tls: 'verify' }, /certificate/, /^name the PEM file of the authority .* in nextHop\.ca/],
    [
      misnamed.smtp,
      { tls: 'verify', ca: other.cert },
      /does not match/,
      /^name the host in nextHop as its certificate/,
    ],
    [clear.smtp, { tls: 'must' }, /offers no STARTTLS/, /^switch STARTTLS on there/],
  ];
  for (const [host, options, says, next] of cases) {
    const health = await hopTo(t, [host], options).health();
    assert.equal(health.level, 'down', host);
    assert.match(health.says, says);
    assert.doesNotMatch(health.says, /Node\.js/);
    assert.match(health.next, next);
  }
});

test('LMTP: LHLO, and one recipient a transaction', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.lmtp]);
  assert.equal(hop.oneRecipient, true);
  const transaction = await ready(hop, 'a@x.example');
  await assert.rejects(transaction.rcpt(recipient('b@x.example')), { reply: REPLIES.otherTransaction });
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.equal(fake.lines[0], '1 LHLO gateway.example');
  assert.deepEqual(fake.messages[0]?.rcpt, ['<a@x.example>']);
});

test('LMTP: after a refused recipient another one may come', async t => {
  const fake = await fakeHop(t, {
    on: (step, line) => (step === 'RCPT' && line.includes('no@') ? '550 no' : undefined),
  });
  const transaction = await hopTo(t, [fake.lmtp]).open(within());
  await transaction.mail(sender('f@a.example'), PLAIN);
  assert.equal((await transaction.rcpt(recipient('no@x.example'))).code, 550);
  assert.equal((await transaction.rcpt(recipient('yes@x.example'))).code, 250);
  transaction.release();
});

test('LMTP: a server that does not know LHLO is not greeted in another way', async t => {
  const fake = await fakeHop(t, { steps: { LHLO: '500 5.5.1 what?' } });
  assert.equal(await told(hopTo(t, [fake.lmtp])), 'open 451 4.4.1');
  assert.deepEqual(fake.lines, ['1 LHLO gateway.example']);
});

test('LMTP over a unix socket is never encrypted', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-lmtp-'));
  t.after(() => rm(folder, { recursive: true }));
  const fake = await fakeHop(t, { path: join(folder, 'lmtp'), tls: cert });
  assert.equal(await told(hopTo(t, [fake.lmtp], { tls: 'must' })), 'done 250');
});

for (const [what, hosts, hostname, message] of [
  ['no host', [], 'gateway.example', /at least one host/],
  ['two protocols', ['smtp://a', 'lmtp://b'], 'gateway.example', /one protocol/],
  ['a mailbox beside a host', ['maildir:/a', 'smtp://b'], 'gateway.example', /one protocol/],
  ['two mailboxes', ['maildir:/a', 'maildir:/b'], 'gateway.example', /one protocol/],
  ['an EHLO name with a line end', ['smtp://a'], 'a\r\nMAIL FROM:<>', /no host name/],
] as const) {
  test(`createNextHop refuses ${what}`, () => {
    assert.throws(() => createNextHop({ hosts, tls: 'may', hostname, log: silentLog() }), message);
  });
}
