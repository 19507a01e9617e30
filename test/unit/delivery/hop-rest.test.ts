// A transaction whose client is idle lends its connection to others, and nobody notices; and how long all of it may take.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { act } from '../../../src/gateway/act/act.ts';
import { HopLost, MailError } from '../../../src/mail/error.ts';
import { REPLIES } from '../../../src/mail/reply.ts';
import type { FakeHop } from '../../support/fake-hop.ts';
import { bytes, deliver, fakeHop, hopTo, LONG_MS, MESSAGE, ready, recipient, until, within } from './hop-kit.ts';

const RESTS = { restMs: 20, waitMs: LONG_MS };

function resets(fake: FakeHop): number {
  return fake.lines.filter(line => / (?:RSET|QUIT)$/.test(line)).length;
}

test('three times as many idle transactions as connections keep nobody out, and each message arrives once', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { ...RESTS, maxConnections: 2 } });
  const idle = [];
  for (let i = 1; i <= 6; i++) idle.push(await ready(hop, `idle${i}@x.example`));
  assert.equal((await deliver(hop)).code, 250);
  const replies = await Promise.all(
    idle.map(async transaction => {
      const reply = await transaction.data(bytes(MESSAGE), within());
      transaction.release();
      return reply.code;
    }),
  );
  assert.deepEqual([...new Set(replies)], [250]);
  assert.deepEqual(fake.messages.map(({ rcpt }) => rcpt.join()).toSorted(), [
    ...[1, 2, 3, 4, 5, 6].map(i => `<idle${i}@x.example>`),
    '<to@x.example>',
  ]);
  assert.equal(fake.connections, 2);
});

test('I1: a connection never rests between DATA and the reply to the dot, however long that takes', async t => {
  const fake = await fakeHop(t, { steps: { dot: 'silent' } });
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: RESTS }), 'a@x.example');
  const body = async function* () {
    yield Buffer.from('Subject: slow\r\n\r\n');
    await new Promise(resolve => setTimeout(resolve, 5 * RESTS.restMs));
    yield Buffer.from('body\r\n');
  };
  const replied = transaction.data(body(), within());
  await until(() => fake.messages.length === 1, 'the dot');
  await new Promise(resolve => setTimeout(resolve, 5 * RESTS.restMs));
  fake.shout('250 2.0.0 at last');
  assert.equal((await replied).text, 'at last');
  assert.deepEqual(fake.messages[0]?.bytes.toString(), 'Subject: slow\r\n\r\nbody\r\n');
  assert.deepEqual(
    fake.lines.filter(line => / RSET$/.test(line)),
    [],
    'nothing was said in between',
  );
  transaction.release();
});

test('a transaction goes on after a rest: the next RCPT belongs to the same message', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: RESTS }), 'a@x.example');
  await until(() => resets(fake) === 1, 'rests');
  assert.equal((await transaction.rcpt(recipient('b@x.example'))).code, 250);
  await until(() => resets(fake) === 2, 'rests again');
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.deepEqual(
    fake.messages.map(({ rcpt }) => rcpt),
    [['<a@x.example>', '<b@x.example>']],
  );
});

test('the connection it takes after a rest is dead: another one', async t => {
  const fake = await fakeHop(t, {
    on: (step, _, n) => (step === 'MAIL' && n === 1 && resets(fake) > 0 ? 'close' : undefined),
  });
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: RESTS }));
  await until(() => resets(fake) === 1, 'rests');
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.equal(fake.messages.length, 1);
  assert.equal(fake.connections, 2);
});

test('what the hop accepted before a rest and refuses after it: 451, and nothing is sent', async t => {
  const fake = await fakeHop(t, {
    on: step => (step === 'RCPT' && resets(fake) > 0 ? '550 5.1.1 gone' : undefined),
  });
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: RESTS }));
  await until(() => resets(fake) === 1, 'rests');
  await assert.rejects(transaction.data(bytes(MESSAGE), within()), { reply: REPLIES.unknownError });
  transaction.release();
  assert.equal(fake.messages.length, 0);
});

test('a client that rests before each recipient sends the others in another transaction; what it has goes on', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: { ...RESTS, restMs: 5 } }), 'to0@x.example');
  const add = async (i: number) => {
    await until(() => resets(fake) === i, 'rests');
    return transaction.rcpt(recipient(`to${i}@x.example`));
  };
  for (let i = 1; i <= 10; i++) assert.equal((await add(i)).code, 250);
  await assert.rejects(add(11), { reply: REPLIES.otherTransaction });
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.equal(fake.messages[0]?.rcpt.length, 11);
});

test('all that is repeated after a rest has one end', async t => {
  const fake = await fakeHop(t, { on: step => (step === 'MAIL' && resets(fake) > 0 ? 'silent' : undefined) });
  const timeouts = { openMs: 200, commandMs: LONG_MS };
  const transaction = await ready(hopTo(t, [fake.smtp], { pool: RESTS, timeouts }));
  await until(() => resets(fake) === 1, 'rests');
  await assert.rejects(transaction.rcpt(recipient('b@x.example')), /given up/);
  transaction.release();
});

test('released while it rests, and while it waits for a connection: no place is lost', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { ...RESTS, maxConnections: 1 } });
  const first = await ready(hop);
  const waiting = await ready(hop);
  first.release();
  const last = await ready(hop);
  const late = waiting.rcpt(recipient('b@x.example'));
  waiting.release();
  await assert.rejects(late, MailError);
  last.release();
  assert.equal((await deliver(hop)).code, 250);
  assert.equal(fake.connections, 1);
});

test('a hop that said 421 to RCPT: the place is free although the client stays', async t => {
  const fake = await fakeHop(t, { on: (step, _, n) => (step === 'RCPT' && n === 1 ? '421 bye' : undefined) });
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 1, restMs: LONG_MS, waitMs: 1000 } });
  await assert.rejects(ready(hop), /refused: 421/);
  assert.equal((await deliver(hop)).code, 250);
});

test('connectMs is for greeting and EHLO too', async t => {
  const fake = await fakeHop(t, { steps: { EHLO: 'silent' } });
  const hop = hopTo(t, [fake.smtp], { timeouts: { connectMs: 200, commandMs: LONG_MS } });
  await assert.rejects(hop.open(within()), /EHLO: no answer within \d{1,3} ms/);
});

test('openMs is for all hosts together', async t => {
  const fakes = [await fakeHop(t, { steps: { connect: 'silent' } }), await fakeHop(t)];
  const hop = hopTo(
    t,
    fakes.map(fake => fake.smtp),
    { timeouts: { openMs: 200 } },
  );
  await assert.rejects(hop.open(within()), { reply: REPLIES.hopUnreachable });
  assert.deepEqual(
    fakes.map(fake => fake.connections),
    [1, 0],
  );
  // It was the host's fault: now the other one comes first.
  assert.equal((await deliver(hop)).code, 250);
});

test('a hop that reads the message too slowly: 451 in time, and nothing was passed on', async t => {
  const fake = await fakeHop(t, { steps: { body: 'stall' } });
  const hop = await ready(hopTo(t, [fake.smtp], { timeouts: { blockMs: LONG_MS } }));
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 10_000; sent++) yield Buffer.alloc(64 * 1024, 'x');
  }
  const never = new AbortController().signal;
  const { reply, disposition } = await act({
    outcome: 'accept',
    ...{ hop, body, gone: never, ending: never, passHopText: false },
    ...{ passBy: Date.now() + 300, replyBy: Date.now() + 400 },
    hold: async () => undefined,
  });
  hop.release();
  assert.deepEqual([reply, disposition.state], [REPLIES.hopUnreachable, 'deferred']);
  assert.equal(fake.messages.length, 0);
});

test('the reply to the dot is not waited for beyond the time of the whole', async t => {
  const fake = await fakeHop(t, { steps: { dot: 'silent' } });
  const transaction = await ready(hopTo(t, [fake.smtp]));
  const failure = await transaction.data(bytes(MESSAGE), within(), Date.now() + 200).catch((error: unknown) => error);
  assert(failure instanceof HopLost);
  assert.equal(failure.afterDot, true);
  assert.match(failure.message, /no answer within \d{1,3} ms/);
  transaction.release();
});
