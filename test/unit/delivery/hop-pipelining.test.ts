// A server that offers PIPELINING hears RSET, MAIL and the first RCPT in one packet, and a small message with its dot. What
// must not change by it: whose reply is whose, and that a dead connection is replaced before a message went out.

import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';

import { HopLost } from '../../../src/mail/error.ts';
import type { HopReply, NextHop } from '../../../src/mail/ports.ts';
import type { Act, FakeHop, FakeHopOptions } from '../../support/fake-hop.ts';
import { bytes, fakeHop, hopTo, MESSAGE, PLAIN, recipient, sender, until, within } from './hop-kit.ts';

const OFFERS = ['PIPELINING', 'SIZE 104857600', '8BITMIME', 'SMTPUTF8'];

function pipelining(t: TestContext, options: FakeHopOptions = {}): Promise<FakeHop> {
  return fakeHop(t, { offers: OFFERS, ...options });
}

interface Told {
  readonly mail: HopReply;
  readonly rcpt: HopReply | null;
  readonly dot: HopReply | null;
}

/** As the gateway does it: MAIL names the recipient that follows. */
async function send(hop: NextHop, to = 'to@x.example', body = MESSAGE): Promise<Told> {
  const transaction = await hop.open(within());
  try {
    const first = recipient(to);
    const mail = await transaction.mail(sender('from@a.example'), PLAIN, first);
    if (mail.code >= 300) return { mail, rcpt: null, dot: null };
    const rcpt = await transaction.rcpt(first);
    if (rcpt.code >= 300) return { mail, rcpt, dot: null };
    return { mail, rcpt, dot: await transaction.data(bytes(body), within()) };
  } finally {
    transaction.release();
  }
}

/** A server that keeps what came in one read, and answers line by line. */
async function packets(t: TestContext): Promise<{ readonly url: string; readonly reads: readonly string[] }> {
  const reads: string[] = [];
  let isData = false;
  const serve = (socket: Socket) => {
    socket.write('220 packets.example\r\n');
    socket.on('data', data => {
      const text = data.toString('latin1');
      reads.push(text);
      for (const line of text.split('\r\n').slice(0, -1)) {
        if (isData && line !== '.') continue;
        if (line === '.') isData = false;
        if (line === 'DATA') isData = true;
        const good = line === 'DATA' ? '354 go\r\n' : '250 ok\r\n';
        socket.write(line.startsWith('EHLO') ? '250-packets.example\r\n250 PIPELINING\r\n' : good);
      }
    });
    socket.on('error', () => undefined);
  };
  const server = createServer(serve);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert(address !== null && typeof address === 'object');
  return { url: `smtp://127.0.0.1:${address.port}`, reads };
}

test('a second message takes three packets: RSET with MAIL and RCPT, DATA, the message with its dot', async t => {
  const { url, reads } = await packets(t);
  const hop = hopTo(t, [url]);
  await send(hop);
  const before = reads.length;
  assert.equal((await send(hop, 'second@x.example')).dot?.code, 250);
  assert.deepEqual(reads.slice(before), [
    'RSET\r\nMAIL FROM:<from@a.example>\r\nRCPT TO:<second@x.example>\r\n',
    'DATA\r\n',
    `${MESSAGE}.\r\n`,
  ]);
});

test('a sender that is refused: the reply to the RCPT behind it is nobody’s, and the connection stays of use', async t => {
  const fake = await pipelining(t, {
    on: (step, line) => (step === 'MAIL' && line.includes('bad@') ? '550 5.7.1 no' : undefined),
  });
  const hop = hopTo(t, [fake.smtp]);
  const transaction = await hop.open(within());
  const first = recipient('to@x.example');
  assert.equal((await transaction.mail(sender('bad@a.example'), PLAIN, first)).code, 550);
  transaction.release();
  await until(() => fake.lines.some(line => line.endsWith('RSET')), 'RSET');
  for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
  assert.equal((await send(hop)).dot?.text, 'queued');
  assert.equal(fake.connections, 1);
});

test('a recipient that is refused is told so, and the next one is asked alone', async t => {
  const fake = await pipelining(t, {
    on: (step, line) => (step === 'RCPT' && line.includes('no@') ? '550 5.1.1 unknown' : undefined),
  });
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  const first = recipient('no@x.example');
  assert.equal((await transaction.mail(sender('from@a.example'), PLAIN, first)).code, 250);
  assert.equal((await transaction.rcpt(first)).code, 550);
  assert.equal((await transaction.rcpt(recipient('yes@x.example'))).code, 250);
  assert.equal((await transaction.data(bytes(MESSAGE), within())).code, 250);
  transaction.release();
  assert.equal(fake.lines.filter(line => line.includes('RCPT')).length, 2);
});

for (const [how, rcpt] of [
  ['hangs up', 'close'],
  ['falls silent', 'silent'],
  ['says 421', { say: '421 4.7.0 bye', close: true }],
] as const satisfies readonly (readonly [string, Act])[]) {
  test(`a server that refuses MAIL and then ${how}: its refusal counts, and it is not taken for ill`, async t => {
    const log: string[] = [];
    const fake = await pipelining(t, { steps: { MAIL: '550 5.7.1 not you', RCPT: rcpt } });
    const hop = hopTo(t, [fake.smtp], { onLog: line => log.push(line) });
    const { mail, rcpt: asked } = await send(hop);
    assert.deepEqual([mail.code, asked], [550, null]);
    assert.equal(fake.connections, 1);
    assert.equal(log.filter(line => line.includes('host failed')).length, 0);
  });
}

test('a server that refuses the announced recipient and hangs up is heard, though it has gone when it is asked', async t => {
  const fake = await pipelining(t, { steps: { RCPT: { say: '550 5.1.1 unknown', close: true } } });
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  const first = recipient('to@x.example');
  assert.equal((await transaction.mail(sender('from@a.example'), PLAIN, first)).code, 250);
  await until(() => fake.open === 0, 'closed');
  assert.equal((await transaction.rcpt(first)).code, 550);
  transaction.release();
  assert.equal(fake.connections, 1);
});

test('a transaction that brought no message is forgotten at once, not with the next one', async t => {
  const fake = await pipelining(t);
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  const first = recipient('to@x.example');
  await transaction.mail(sender('from@a.example'), PLAIN, first);
  await transaction.rcpt(first);
  transaction.release();
  await until(() => fake.lines.some(line => line.endsWith('RSET')), 'RSET');
});

test('whoever announces one recipient and names another gets no answer meant for the first', async t => {
  const fake = await pipelining(t);
  const transaction = await hopTo(t, [fake.smtp]).open(within());
  await transaction.mail(sender('from@a.example'), PLAIN, recipient('a@x.example'));
  await assert.rejects(transaction.rcpt(recipient('b@x.example')), TypeError);
  transaction.release();
  assert.equal(fake.messages.length, 0);
});

test('a transaction that ends behind MAIL, its RCPT unfetched, does not give its connection to another', async t => {
  const fake = await pipelining(t);
  const hop = hopTo(t, [fake.smtp]);
  const transaction = await hop.open(within());
  await transaction.mail(sender('from@a.example'), PLAIN, recipient('a@x.example'));
  transaction.release();
  await until(() => fake.open === 0, 'closed');
  assert.deepEqual((await send(hop, 'b@x.example')).rcpt?.code, 250);
  assert.deepEqual(
    fake.messages.map(message => message.rcpt),
    [['<b@x.example>']],
  );
});

for (const [how, act] of [
  ['is refused', '500 no'],
  ['is answered with 421', { say: '421 4.4.2 idle too long', close: true }],
  ['ends the connection', 'close'],
  ['finds the server hanging', 'silent'],
  ['is answered with garbage', 'garbage'],
] as const satisfies readonly (readonly [string, Act])[]) {
  test(`an RSET that ${how}: another connection carries the message, once`, async t => {
    // A server that hangs answers nothing that follows either.
    let isHanging = false;
    const hasAct = (step: string) => {
      isHanging ||= step === 'RSET' && act === 'silent';
      return step === 'RSET' || isHanging;
    };
    const fake = await pipelining(t, { on: (step, _, n) => (n === 1 && hasAct(step) ? act : undefined) });
    const hop = hopTo(t, [fake.smtp], { timeouts: { commandMs: 300 } });
    await send(hop);
    assert.equal((await send(hop, 'second@x.example')).dot?.code, 250);
    assert.deepEqual(
      fake.messages.map(({ connection, rcpt }) => [connection, ...rcpt]),
      [
        [1, '<to@x.example>'],
        [2, '<second@x.example>'],
      ],
    );
  });
}

for (const step of ['MAIL', 'RCPT'] as const) {
  for (const act of ['close', { say: '421 4.4.2 idle too long', close: true }] as const) {
    const how = act === 'close' ? 'closes' : 'says 421';
    test(`a kept connection that ${how} at ${step} is replaced, both commands said again`, async t => {
      const fake = await pipelining(t, {
        on: (at, _, n) => (n === 1 && at === step && fake.messages.length > 0 ? act : undefined),
      });
      const hop = hopTo(t, [fake.smtp]);
      await send(hop);
      assert.equal((await send(hop)).dot?.code, 250);
      assert.deepEqual(
        fake.messages.map(({ connection, mail, rcpt }) => [connection, mail, ...rcpt]),
        [
          [1, '<from@a.example>', '<to@x.example>'],
          [2, '<from@a.example>', '<to@x.example>'],
        ],
      );
    });
  }
}

test('a server that answers RSET twice is one reply ahead: never is a message taken for delivered', async t => {
  const fake = await pipelining(t, {
    on: (step, line, n) => {
      if (step === 'RSET' && n === 1) return { raw: '250 a\r\n250 b\r\n' };
      return step === 'RCPT' && line.includes('second') ? '550 5.1.1 unknown' : undefined;
    },
  });
  const hop = hopTo(t, [fake.smtp]);
  await send(hop);
  const second = await send(hop, 'second@x.example').catch((error: unknown) => {
    assert(error instanceof HopLost && !error.afterDot, String(error));
    return null;
  });
  assert(second === null || second.dot === null || second.dot.code >= 400, JSON.stringify(second));
  assert.equal(fake.messages.length, 1);
});

test('where the connection is opened again, what can no longer be said in one packet is said in two', async t => {
  let offers = OFFERS;
  const first = await pipelining(t, { on: (step, _, n) => (step === 'RSET' && n === 1 ? 'close' : undefined) });
  const hop = hopTo(t, [first.smtp]);
  await send(hop);
  offers = offers.slice(1);
  const port = first.port;
  await first.stop();
  const second = await fakeHop(t, { offers, port });
  assert.equal((await send(hop, 'second@x.example')).dot?.code, 250);
  assert.deepEqual(
    second.lines.map(line => line.split(' ')[1]),
    ['EHLO', 'MAIL', 'RCPT', 'DATA'],
  );
});

for (const [raw, expected] of [
  ['250 2.0.0 queued\r\n554 5.7.1 refused\r\n', 'unknown'],
  ['554 5.7.1 refused\r\n250 2.0.0 queued\r\n', 'unknown'],
  ['250 2.0.0 queued\r\n451 4.3.0 not now\r\n', 'unknown'],
  ['250 2.0.0 queued\r\n250 2.0.0 queued\r\n', '250'],
  ['250 2.0.0 queued\r\n421 4.4.2 goodbye\r\n', '250'],
  ['554 5.7.1 refused\r\n421 4.4.2 goodbye\r\n', '554'],
] as const) {
  test(`a dot that is answered with ${raw.trim().replace('\r\n', ' and ')}: ${expected}`, async t => {
    const fake = await pipelining(t, { steps: { dot: { raw } } });
    const sent = send(hopTo(t, [fake.smtp]));
    if (expected === 'unknown') await assert.rejects(sent, error => error instanceof HopLost && error.afterDot);
    else assert.equal(String((await sent).dot?.code), expected);
  });
}
