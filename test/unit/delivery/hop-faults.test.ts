// I7: whatever the next hop does, at whatever step, every wait ends by its limit, with the right error, and a message
// counts as delivered only where its 250 was read.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { HopLost, MailError } from '../../../src/mail/error.ts';
import type { Act, Step } from '../../support/fake-hop.ts';
import {
  bytes,
  deliver,
  fakeHop,
  hopTo,
  MESSAGE,
  NULL_SENDER,
  PLAIN,
  ready,
  recipient,
  told,
  until,
  within,
} from './hop-kit.ts';

const SHORT = { connectMs: 250, commandMs: 250, blockMs: 250, afterDotMs: 250 };
const UNREACHABLE = 'open 451 4.4.1';

const STEPS: readonly [Step, string][] = [
  ['connect', UNREACHABLE],
  ['EHLO', UNREACHABLE],
  ['MAIL', 'MAIL lost'],
  ['RCPT', 'RCPT lost'],
  ['DATA', 'DATA lost'],
  ['dot', 'DATA lost after the dot'],
];
const FAULTS: readonly Act[] = ['silent', 'close', 'reset', 'garbage', 'endless', 'long', 'drip'];

describe('a fault at any step ends in time', { concurrency: 8 }, () => {
  for (const [step, expected] of STEPS) {
    for (const fault of FAULTS) {
      test(`${fault} at ${step}: ${expected}`, async t => {
        const fake = await fakeHop(t, { steps: { [step]: fault } });
        const hop = hopTo(t, [fake.smtp], { timeouts: SHORT });
        assert.equal(await told(hop), expected);
        assert.equal(fake.messages.length, step === 'dot' ? 1 : 0);
        await until(() => fake.open === 0, 'the connection is closed');
      });
    }
  }
});

const REPLIES: readonly [string, Partial<Record<Step, Act>>, string][] = [
  ['4yz greeting', { connect: '450 not now' }, UNREACHABLE],
  ['421 greeting', { connect: { say: '421 too many', close: true } }, UNREACHABLE],
  ['554 greeting', { connect: '554 no service' }, UNREACHABLE],
  ['greeting of another protocol', { connect: '250 hm' }, UNREACHABLE],
  ['4yz to EHLO', { EHLO: '451 no' }, UNREACHABLE],
  ['5yz to EHLO and to HELO', { EHLO: '502 no', HELO: '502 no' }, UNREACHABLE],
  ['5yz to EHLO alone', { EHLO: '502 no' }, 'done 250'],
  ['4yz to MAIL', { MAIL: '451 4.3.0 no' }, 'MAIL 451'],
  ['5yz to MAIL', { MAIL: '550 no' }, 'MAIL 550'],
  ['421 to MAIL', { MAIL: { say: '421 busy', close: true } }, 'MAIL 421'],
  ['354 to MAIL', { MAIL: '354 go on' }, 'MAIL lost'],
  ['4yz to RCPT', { RCPT: '450 4.2.0 greylisted' }, 'RCPT 450'],
  ['5yz to RCPT', { RCPT: '550 5.1.1 who?' }, 'RCPT 550'],
  ['421 to RCPT', { RCPT: { say: '421 bye', close: true } }, 'RCPT 421'],
  ['4yz to DATA', { DATA: '451 no' }, 'done 451'],
  ['5yz to DATA', { DATA: '554 no' }, 'done 554'],
  ['250 to DATA is no acceptance', { DATA: '250 fine, thanks' }, 'DATA lost'],
  ['3yz to DATA that is not 354', { DATA: '334 hm' }, 'DATA lost'],
  ['4yz after the dot', { dot: '452 4.3.1 full' }, 'done 452'],
  ['5yz after the dot', { dot: '550 5.7.1 spam' }, 'done 550'],
  ['421 after the dot', { dot: { say: '421 bye', close: true } }, 'done 421'],
  ['3yz after the dot', { dot: '354 more?' }, 'DATA lost after the dot'],
  ['250 after the dot, then closed', { dot: { say: '250 mine', close: true } }, 'done 250'],
  ['half a reply after the dot', { dot: { raw: '250-mine\r\n25' } }, 'DATA lost after the dot'],
  ['two replies after the dot', { dot: { raw: '250 mine\r\n550 or not\r\n' } }, 'DATA lost after the dot'],
];

// One is then taken for the reply to RCPT where that went in the same packet; it shows at DATA.
for (const [offers, expected] of [
  [[], 'RCPT lost'],
  [['PIPELINING'], 'DATA lost'],
] as const) {
  test(`two replies to MAIL: ${expected} ${offers.join()}`, async t => {
    const fake = await fakeHop(t, { steps: { MAIL: { raw: '250 Ok\r\n250 Ok\r\n' } }, offers });
    assert.equal(await told(hopTo(t, [fake.smtp], { timeouts: SHORT })), expected);
    assert.equal(fake.messages.length, 0);
  });
}

describe('a reply means what RFC 5321 says', { concurrency: 8 }, () => {
  for (const [what, steps, expected] of REPLIES) {
    for (const offers of [[], ['PIPELINING']]) {
      test(`${what}: ${expected} ${offers.join()}`, async t => {
        const fake = await fakeHop(t, { steps, offers });
        assert.equal(await told(hopTo(t, [fake.smtp], { timeouts: { ...SHORT, afterDotMs: 500 } })), expected);
      });
    }
  }
});

test('nobody listens: 451 4.4.1, and the log says where', async t => {
  const fake = await fakeHop(t);
  await fake.stop();
  await assert.rejects(hopTo(t, [fake.smtp]).open(within()), (error: unknown) => {
    assert(error instanceof MailError);
    assert.equal(error.reply.enhanced, '4.4.1');
    assert.match(error.message, new RegExp(`${fake.smtp}: .*ECONNREFUSED`));
    return true;
  });
});

test('the signal of open ends the waiting', async t => {
  const fake = await fakeHop(t, { steps: { connect: 'silent' } });
  const control = new AbortController();
  const opening = hopTo(t, [fake.smtp]).open(control.signal);
  await until(() => fake.connections === 1, 'connected');
  control.abort();
  await assert.rejects(opening, MailError);
  await until(() => fake.open === 0, 'closed');
});

test('a source that throws: no dot is sent, nothing is passed on', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000, 'x');
    throw new Error('the client has gone');
  }
  const failure = await transaction.data(source(), within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  transaction.release();
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.messages.length, 0);
});

test('a MailError of the source comes through as it is', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const body = bytes('Subject: x\r\n\r\nbare\nLF\r\n');
  await assert.rejects(transaction.data(body, within()), /bare CR or LF/);
  transaction.release();
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.messages.length, 0);
});

test('an abort in the middle of the message: no dot', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const control = new AbortController();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000, 'x');
    control.abort();
    await new Promise(() => undefined);
  }
  const failure = await transaction.data(source(), control.signal).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.messages.length, 0);
  transaction.release();
});

test('an abort between the last byte and the dot: no dot', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const control = new AbortController();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(MESSAGE);
    control.abort();
  }
  await assert.rejects(transaction.data(source(), control.signal), HopLost);
  transaction.release();
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.messages.length, 0);
});

test('an abort after the dot is not heard: the hop has the message, and its reply counts', async t => {
  const fake = await fakeHop(t, { steps: { dot: 'silent' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const control = new AbortController();
  const sending = transaction.data(bytes(MESSAGE), control.signal);
  await until(() => fake.messages.length === 1, 'the message came');
  control.abort();
  fake.shout('250 2.0.0 mine');
  assert.equal((await sending).code, 250);
  transaction.release();
});

test('release after the dot ends the waiting: lost after the dot, for nobody knows', async t => {
  const fake = await fakeHop(t, { steps: { dot: 'silent' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const sending = transaction.data(bytes(MESSAGE), within()).catch((error: unknown) => error);
  await until(() => fake.messages.length === 1, 'the message came');
  transaction.release();
  const failure = await sending;
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, true);
  assert.equal(failure.reply.enhanced, '4.4.2');
});

test('release while a command waits ends it, and is no fault of the host', async t => {
  const [first, second] = [await fakeHop(t, { steps: { RCPT: 'silent' } }), await fakeHop(t)];
  const hop = hopTo(t, [first.smtp, second.smtp]);
  const opened = await hop.open(within());
  await opened.mail(NULL_SENDER, PLAIN);
  const asking = opened.rcpt(recipient('to@x.example')).catch((error: unknown) => error);
  await until(() => first.lines.some(line => / RCPT /.test(line)), 'asked');
  opened.release();
  assert((await asking) instanceof HopLost);
  assert.equal(first.connections, 1);
  first.steps = {};
  const next = await hop.open(within());
  assert.equal(next.host, first.smtp);
  next.release();
});

test('a refusal in the middle of the message is returned, and the rest is not sent', async t => {
  const fake = await fakeHop(t, { steps: { body: '552 5.3.4 too large' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  let sent = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; sent < 100_000; sent++) yield Buffer.alloc(64 * 1024, 'x');
  }
  const reply = await transaction.data(source(), within());
  assert.deepEqual(reply, { code: 552, enhanced: '5.3.4', text: 'too large' });
  assert(sent < 100_000);
  transaction.release();
  assert.equal(fake.messages.length, 0);
});

test('a 250 before the dot is no acceptance', async t => {
  const fake = await fakeHop(t, { steps: { body: '250 thanks already' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 100_000; i++) yield Buffer.alloc(64 * 1024, 'x');
  }
  const failure = await transaction.data(source(), within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  transaction.release();
});

test('a 250 between the last byte and the dot is no acceptance', async t => {
  const fake = await fakeHop(t, { steps: { body: '250 thanks already' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${'x'.repeat(40_000)}\r\n`);
    await until(() => fake.bodyBytes > 0, 'the hop has answered');
    // The reply needs a few turns of the loop to get here.
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
  }
  const failure = await transaction.data(source(), within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  transaction.release();
  assert.equal(fake.messages.length, 0);
});

test('a hop that closes between the last byte and the dot: nothing was passed on, and we know it', async t => {
  const fake = await fakeHop(t, { steps: { body: 'close' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${'x'.repeat(40_000)}\r\n`);
    await until(() => fake.open === 0, 'the hop has closed');
    for (let i = 0; i < 50; i++) await new Promise(resolve => setImmediate(resolve));
  }
  const failure = await transaction.data(source(), within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  transaction.release();
});

test('release in the middle of the message closes the connection: no RSET gets into the message', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${'x'.repeat(40_000)}\r\n`);
    await until(() => fake.bodyBytes === 40_002, 'it is there');
    transaction.release();
    yield Buffer.from(MESSAGE);
  }
  await assert.rejects(transaction.data(source(), within()), HopLost);
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.bodyBytes, 40_002);
});

test('a hop that closes in the middle of the message: lost, nothing passed on', async t => {
  const fake = await fakeHop(t, { steps: { body: 'reset' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const body = bytes(...Array.from({ length: 200 }, () => Buffer.alloc(64 * 1024, 'x')));
  const failure = await transaction.data(body, within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  transaction.release();
});

test('a hop that reads no more: the source is not read either, and the limit for a block ends it', async t => {
  const fake = await fakeHop(t, { steps: { body: 'stall' } });
  const transaction = await ready(hopTo(t, [fake.smtp], { timeouts: { blockMs: 300 } }));
  let sent = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; sent < 10_000; sent++) yield Buffer.alloc(64 * 1024, 'x');
  }
  const failure = await transaction.data(source(), within()).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, false);
  assert.match(failure.message, /writing the message: no answer within 300 ms/);
  // What the kernel takes on both sides of loopback is a few megabytes.
  assert(sent < 500, `${sent} pieces were read`);
  transaction.release();
});

test('the text of a reply cannot break a line', async t => {
  const fake = await fakeHop(t, { steps: { dot: { raw: '250 2.0.0 a\rX-Evil: 1\x1b[2J\x00b\r\n' } } });
  assert.deepEqual(await deliver(hopTo(t, [fake.smtp])), { code: 250, enhanced: '2.0.0', text: 'a X-Evil: 1 [2J b' });
});
