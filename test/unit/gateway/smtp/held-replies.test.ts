// Replies to pipelined commands go out together where RFC 2920 section 3.2 allows it, and never keep a client waiting.

import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';

import { HeldReplies } from '../../../../src/gateway/smtp/held-replies.ts';
import type { SessionVerb } from '../../../../src/gateway/smtp/verbs.ts';
import { startTestGateway, type TestGateway } from '../../../support/gateway.ts';
import { LineClient } from '../../../support/smtp-script.ts';

/** Performs the commands in turn, the last one with nothing behind it; the packets that came of it. */
function packets(commands: readonly (readonly [SessionVerb | null, string])[]): string[] {
  const sent: string[] = [];
  const note = (pieces: readonly { readonly chunk: Buffer }[]) =>
    sent.push(pieces.map(one => String(one.chunk)).join('|'));
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      note([{ chunk }]);
      done();
    },
    writev: (pieces, done) => {
      note(pieces);
      done();
    },
  });
  const held = new HeldReplies();
  for (const [index, [verb, reply]] of commands.entries()) {
    const hasMore = index < commands.length - 1;
    held.before(verb, socket, hasMore);
    socket.write(reply);
    held.after(socket, hasMore);
  }
  return sent;
}

test('MAIL, RCPT and RSET wait for each other, and go with the reply to DATA', () => {
  assert.deepEqual(
    packets([
      ['RSET', 'a'],
      ['MAIL', 'b'],
      ['RCPT', 'c'],
      ['RCPT', 'd'],
      ['DATA', 'e'],
    ]),
    ['a|b|c|d|e'],
  );
});

test('no other reply waits, and what waited goes before it', () => {
  for (const verb of ['EHLO', 'HELO', 'STARTTLS', 'QUIT', null] as const) {
    assert.deepEqual(
      packets([
        [verb, 'a'],
        ['MAIL', 'b'],
        ['RCPT', 'c'],
        [verb, 'd'],
        ['RSET', 'e'],
      ]),
      ['a', 'b|c', 'd', 'e'],
      String(verb),
    );
  }
});

test('a command that came alone is answered at once', () => {
  assert.deepEqual(packets([['MAIL', 'a']]), ['a']);
});

test('never more is held than a socket takes without being drained', () => {
  const reply = 'x'.repeat(1000);
  const many = Array.from({ length: 100 }, () => ['RCPT', reply] as const);
  const longest = Math.max(...packets(many).map(packet => packet.length));
  assert(longest > 4000 && longest < 8000, String(longest));
});

/** A gateway for `work`, whose next hop must have been left in order. */
async function withGateway(work: (client: LineClient, gateway: TestGateway) => Promise<void>): Promise<void> {
  const gateway = await startTestGateway();
  try {
    const client = await LineClient.open(gateway.port);
    await client.line();
    await client.command('EHLO c.example');
    await work(client, gateway);
    client.destroy();
  } finally {
    await gateway.stop();
  }
  assert.deepEqual(gateway.misused, []);
}

const MAIL = 'MAIL FROM:<a@client.example>\r\n';

test('the reply does not wait for a command of which only the half has come', () =>
  withGateway(async client => {
    client.write(`${MAIL}RCPT TO:<user@exam`);
    assert.match(await client.reply(), /^250 2\.1\.0/);
    client.write('ple.org>\r\nRSET\r\nNO');
    assert.match(await client.reply(), /^250 2\.1\.5/);
    assert.match(await client.reply(), /^250 2\.0\.0/);
  }));

test('a client does not wait for the sum of what its pipelined commands take', () =>
  withGateway(async (client, gateway) => {
    let go: () => void = () => undefined;
    const slow = new Promise<void>(resolve => {
      go = resolve;
    });
    gateway.steering.at = place => (place === 'rcpt' ? slow : Promise.resolve());
    client.write(`${MAIL}RCPT TO:<user@example.org>\r\nRSET\r\n`);
    assert.match(await client.reply(), /^250 2\.1\.0/, 'while RCPT is under way');
    go();
    assert.match(await client.reply(), /^250 2\.1\.5/);
    assert.match(await client.reply(), /^250 2\.0\.0/);
  }));

test('thousands of pipelined commands are all answered, in order', () =>
  withGateway(async client => {
    client.write(`${MAIL}${'RCPT TO:<user@example.org>\r\n'.repeat(3000)}RSET\r\nQUIT\r\n`);
    assert.match(await client.reply(), /^250 2\.1\.0/);
    for (let i = 0; i < 3000; i++) assert.match(await client.reply(), /^250 2\.1\.5/);
    assert.match(await client.reply(), /^250 2\.0\.0/);
    assert.match(await client.reply(), /^221/);
    await client.closed();
  }));

test('what was held when the gateway ends the connection comes before its farewell', () =>
  withGateway(async (client, gateway) => {
    gateway.steering.at = async place => {
      if (place === 'rcpt') client.write(`${'x'.repeat(5000)}\r\n`);
    };
    client.write(`${MAIL}RCPT TO:<user@example.org>\r\nRSET\r\n`);
    const replies: string[] = [];
    for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) replies.push(reply.slice(0, 3));
    assert.deepEqual(replies, ['250', '250', '250', '421']);
  }));
