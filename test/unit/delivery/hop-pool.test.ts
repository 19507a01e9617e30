// One connection carries many messages, and a dead one is replaced without anybody noticing, but never after a byte
// of a message went out.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HopLost, MailError } from '../../../src/mail/error.ts';
import { REPLIES } from '../../../src/mail/reply.ts';
import type { FakeHop } from '../../support/fake-hop.ts';
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
  sender,
  until,
  within,
} from './hop-kit.ts';

function count(fake: FakeHop, verb: string): number {
  return fake.lines.filter(line => line.split(' ')[1] === verb).length;
}

/** Its RSET was answered, so it waits for the next message. */
async function untilIdle(fake: FakeHop, resets = 1): Promise<void> {
  await until(() => count(fake, 'RSET') >= resets, 'RSET');
  // The reply needs one turn of the loop to get here.
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
}

test('a connection is used again, after an RSET', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp]);
  for (let i = 1; i <= 3; i++) {
    await deliver(hop);
    await untilIdle(fake, i);
  }
  assert.equal(fake.connections, 1);
  assert.equal(count(fake, 'RSET'), 3);
  assert.equal(fake.messages.length, 3);
});

test('a transaction that went no further than RCPT gives its connection back', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp]);
  (await ready(hop)).release();
  await untilIdle(fake);
  await deliver(hop);
  assert.equal(fake.connections, 1);
});

test('releasing twice gives one connection back', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp]);
  const first = await ready(hop);
  first.release();
  first.release();
  await untilIdle(fake);
  const both = await Promise.all([ready(hop), ready(hop)]);
  assert.equal(fake.connections, 2);
  for (const transaction of both) transaction.release();
});

test('a released transaction says nothing more', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  transaction.release();
  await assert.rejects(transaction.rcpt(recipient('late@x.example')), HopLost);
  await assert.rejects(transaction.data(bytes(MESSAGE), within()), HopLost);
  assert.equal(fake.messages.length, 0);
});

test('a hop that does not forget is not used again', async t => {
  const fake = await fakeHop(t, { steps: { RSET: '500 no' } });
  const hop = hopTo(t, [fake.smtp]);
  await deliver(hop);
  await until(() => fake.open === 0, 'closed');
  await deliver(hop);
  assert.equal(fake.connections, 2);
});

test('a hop that says more than it was asked to RSET is not used again', async t => {
  const fake = await fakeHop(t, { steps: { RSET: { raw: '250 a\r\n250 b\r\n' } } });
  const hop = hopTo(t, [fake.smtp]);
  await deliver(hop);
  await until(() => fake.open === 0, 'closed');
  await deliver(hop);
  assert.equal(fake.connections, 2);
});

test('a second reply to the dot is not taken for the reply to the next MAIL', async t => {
  const fake = await fakeHop(t, {
    on: (step, _, n) => (step === 'dot' && n === 1 ? { raw: '250 a\r\n250 b\r\n' } : undefined),
  });
  const hop = hopTo(t, [fake.smtp]);
  await deliver(hop);
  await until(() => fake.open === 0, 'closed');
  assert.equal((await deliver(hop)).text, 'queued');
  assert.equal(fake.connections, 2);
});

test('a connection is closed after its number of messages', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxMessages: 2 } });
  for (let i = 1; i <= 4; i++) {
    await deliver(hop);
    await until(() => count(fake, 'RSET') + count(fake, 'QUIT') === i, 'RSET or QUIT');
    await until(() => i % 2 === 1 || fake.open === 0, 'closed');
    if (i % 2 === 1) await untilIdle(fake);
  }
  assert.equal(fake.connections, 2);
  assert.equal(count(fake, 'QUIT'), 2);
});

test('an idle connection says QUIT after a while', async t => {
  const fake = await fakeHop(t);
  await deliver(hopTo(t, [fake.smtp], { pool: { idleMs: 20 } }));
  await until(() => fake.open === 0, 'closed');
  assert.equal(count(fake, 'QUIT'), 1);
});

test('close says QUIT on what is idle and on what is given back later', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp]);
  const [kept, given] = [await ready(hop), await ready(hop)];
  given.release();
  await untilIdle(fake);
  await hop.close();
  await until(() => fake.open === 1, 'the idle one is closed');
  assert.equal((await kept.data(bytes(MESSAGE), within())).code, 250);
  kept.release();
  await until(() => fake.open === 0, 'closed');
  assert.equal(count(fake, 'QUIT'), 2);
  await assert.rejects(hop.open(within()), MailError);
});

test('there are never more connections than allowed; who waits too long is told to come again', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 2, waitMs: 50 } });
  const held = [await ready(hop), await ready(hop)];
  await assert.rejects(
    hop.open(within()),
    (error: unknown) => error instanceof MailError && error.reply.enhanced === '4.3.2',
  );
  assert.equal(fake.connections, 2);
  for (const transaction of held) transaction.release();
});

test('who waits gets the next connection that is given back', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 3 } });
  const replies = await Promise.all(Array.from({ length: 30 }, () => deliver(hop)));
  assert.deepEqual([...new Set(replies.map(reply => reply.code))], [250]);
  assert.equal(fake.messages.length, 30);
  assert.equal(fake.connections, 3);
});

test('close while others wait for a connection: they are told', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 1 } });
  const first = await ready(hop);
  const second = hop.open(within());
  await hop.close();
  first.release();
  await assert.rejects(second, MailError);
  await until(() => fake.open === 0, 'closed');
  assert.equal(fake.connections, 1);
});

test('close while an RSET is under way: the connection does not stay', async t => {
  const fake = await fakeHop(t, { steps: { RSET: 'silent' } });
  const hop = hopTo(t, [fake.smtp]);
  (await ready(hop)).release();
  await until(() => count(fake, 'RSET') === 1, 'RSET');
  const closing = hop.close();
  fake.shout('250 forgotten');
  await closing;
  await until(() => fake.open === 0, 'closed');
});

test('a connection that could not be made takes no place', async t => {
  const fake = await fakeHop(t, { steps: { connect: '554 no' } });
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 1, waitMs: 50 } });
  for (let i = 0; i < 3; i++) await assert.rejects(hop.open(within()), { reply: REPLIES.hopUnreachable });
  fake.steps = {};
  assert.equal((await deliver(hop)).code, 250);
});

test('a place that comes free in the very moment its waiter gives up is not lost', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 1, waitMs: 200 } });
  const first = await ready(hop);
  const control = new AbortController();
  const second = hop.open(control.signal);
  const broken = first.mail(NULL_SENDER, PLAIN);
  control.abort();
  // A command is under way, so the connection is dropped and its place is free at once.
  first.release();
  await assert.rejects(second, MailError);
  await assert.rejects(broken, HopLost);
  assert.equal((await deliver(hop)).code, 250);
});

test('who waits gets a place when a connection breaks', async t => {
  const fake = await fakeHop(t);
  const hop = hopTo(t, [fake.smtp], { pool: { maxConnections: 1 } });
  const first = await ready(hop);
  const second = deliver(hop);
  fake.hangUp();
  await assert.rejects(first.data(bytes('a\nb'), within()));
  first.release();
  assert.equal((await second).code, 250);
});

for (const [what, kill] of [
  ['that the hop closed', (fake: FakeHop) => fake.hangUp()],
  ['on which the hop said 421', (fake: FakeHop) => fake.shout('421 4.4.2 timeout')],
  ['on which the hop said something unasked', (fake: FakeHop) => fake.shout('250 surprise')],
] as const) {
  test(`an idle connection ${what} is replaced`, async t => {
    const fake = await fakeHop(t);
    const hop = hopTo(t, [fake.smtp]);
    await deliver(hop);
    await untilIdle(fake);
    kill(fake);
    await until(() => fake.open === 0, 'closed');
    assert.equal((await deliver(hop)).code, 250);
    assert.equal(fake.connections, 2);
  });
}

for (const step of ['MAIL', 'RCPT', 'DATA'] as const) {
  for (const act of ['close', { say: '421 4.4.2 idle too long', close: true }] as const) {
    const how = act === 'close' ? 'closes' : 'says 421';
    test(`a kept connection that ${how} at ${step} is replaced, and the message sent once`, async t => {
      const fake = await fakeHop(t, {
        on: (at, _, n) => (n === 1 && at === step && fake.messages.length > 0 ? act : undefined),
      });
      const hop = hopTo(t, [fake.smtp]);
      await deliver(hop);
      await untilIdle(fake);
      assert.equal((await deliver(hop)).code, 250);
      assert.deepEqual(
        fake.messages.map(message => [message.connection, message.mail, message.rcpt]),
        [
          [1, '<from@a.example>', ['<to@x.example>']],
          [2, '<from@a.example>', ['<to@x.example>']],
        ],
      );
    });
  }
}

test('a new connection that says 421 to MAIL is not replaced: the hop means it', async t => {
  const fake = await fakeHop(t, { steps: { MAIL: { say: '421 busy', close: true } } });
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  assert.equal((await transaction.mail(NULL_SENDER, PLAIN)).code, 421);
  transaction.release();
  assert.equal(fake.connections, 1);
});

test('a connection that died while the message was scanned is opened again, the refused left out', async t => {
  const fake = await fakeHop(t, {
    on: (step, line, n) => (n === 1 && step === 'RCPT' && line.includes('greylisted') ? '450 4.7.1 later' : undefined),
  });
  const hop = hopTo(t, [fake.smtp]);
  const transaction = await hop.open(within());
  await transaction.mail(NULL_SENDER, PLAIN);
  const codes = [];
  for (const name of ['a', 'greylisted', 'b'])
    codes.push((await transaction.rcpt(recipient(`${name}@x.example`))).code);
  assert.deepEqual(codes, [250, 450, 250]);
  fake.shout('421 4.4.2 timeout');
  fake.hangUp();
  await until(() => fake.open === 0, 'closed');
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.deepEqual(
    fake.messages.map(({ mail, rcpt }) => [mail, ...rcpt]),
    [['<>', '<a@x.example>', '<b@x.example>']],
  );
});

for (const step of ['MAIL', 'RCPT'] as const) {
  test(`where ${step} is refused the second time, nothing is sent and the reply is 451`, async t => {
    const fake = await fakeHop(t, { on: (at, _, n) => (n === 2 && at === step ? '550 5.1.1 gone' : undefined) });
    const transaction = await ready(hopTo(t, [fake.smtp]), 'a@x.example', 'b@x.example');
    fake.hangUp();
    await until(() => fake.open === 0, 'closed');
    await assert.rejects(transaction.data(bytes(MESSAGE), within()), (error: unknown) => {
      assert(error instanceof MailError);
      assert.equal(error.reply.code, 451);
      assert.match(error.message, /accepted .* before and now says 550 gone/);
      return true;
    });
    transaction.release();
    assert.equal(fake.messages.length, 0);
  });
}

test('where the hop is gone for good while the message was scanned, the reply is 451', async t => {
  const fake = await fakeHop(t);
  const transaction = await ready(hopTo(t, [fake.smtp]));
  await fake.stop();
  await assert.rejects(transaction.data(bytes(MESSAGE), within()), (error: unknown) => {
    return error instanceof MailError && error.reply.enhanced === '4.4.1';
  });
  transaction.release();
});

test('after the dot nothing is sent again, whatever happens', async t => {
  const fake = await fakeHop(t, { steps: { dot: 'close' } });
  await assert.rejects(deliver(hopTo(t, [fake.smtp])), (error: unknown) => error instanceof HopLost && error.afterDot);
  assert.equal(fake.messages.length, 1);
  assert.equal(fake.connections, 1);
});

test('what is said on the wire comes from the parsed address, never from what the client typed', async t => {
  const fake = await fakeHop(t);
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  await transaction.mail(
    { ...sender('from@a.example'), raw: '<x>\r\nDATA' },
    { ...PLAIN, declaredSize: 9, body: '8BITMIME' },
  );
  await transaction.rcpt({ ...recipient('"a b"@x.example'), raw: '<x> NOTIFY=NEVER\r\nRSET' });
  assert.deepEqual(fake.lines.slice(1), [
    '1 MAIL FROM:<from@a.example> SIZE=9 BODY=8BITMIME',
    '1 RCPT TO:<"a b"@x.example>',
  ]);
  transaction.release();
});
