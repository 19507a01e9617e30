// I10 both ways: the smuggling sequences of the public research go in through the listener, at every chunk boundary, and
// on through our own client to a next hop that keeps every octet. One message in is one message out, and no octet pair on
// that wire could be taken for another end, however careless the server behind it is.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DotStuffer } from '../../src/delivery/dot-stuffer.ts';
import { MailError } from '../../src/mail/error.ts';
import { startTestGateway, TEST_POLICY, TEST_RULES, type TestGateway } from '../support/gateway.ts';
import { passOver } from '../support/require.ts';
import { LineClient } from '../support/smtp-script.ts';
import { bytes, hopTo, ready, within } from '../unit/delivery/hop-kit.ts';
import { count, IS_LONG } from './report.ts';

const SUITE = join(import.meta.dirname, '../../../shared/suites/smtp-smuggling.json');
/** Where the suite is absent; it has these and more. */
const SEQUENCES = ['\n.\n', '\n.\r\n', '\r.\r', '\r\n.\n', '\r\n.\r', '\r\r\n.\r\r\n', '\r\n\0.\r\n'];
const EVIL =
  'MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n';
const END = '\r\n.\r\n';
const CONNECTIONS = 16;

/** Where the sequence stands in the content. */
const PLACES: Readonly<Record<string, (sequence: string) => string>> = {
  'in the body': sequence => `Subject: x\r\n\r\nfirst${sequence}${EVIL}`,
  'at the very beginning': sequence => `${sequence}${EVIL}`,
  'in the header': sequence => `Subject: x${sequence}${EVIL}`,
  'before the end': sequence => `Subject: x\r\n\r\n${EVIL}last${sequence}`,
};

function sequences(t: TestContext): readonly string[] | null {
  if (!existsSync(SUITE)) {
    passOver(t, 'the smuggling suite is not here');
    return null;
  }
  const suite: { neverEnd: string[]; end: string[] } = JSON.parse(readFileSync(SUITE, 'utf8'));
  assert.ok(suite.neverEnd.length >= 14);
  assert.deepEqual(suite.end, [END]);
  return [...new Set([...SEQUENCES, ...suite.neverEnd])];
}

for (const [place, contentOf] of Object.entries(PLACES)) {
  test(`I10: a smuggled end ${place} is content, at every chunk boundary, to the next hop`, async t => {
    const all = sequences(t);
    if (all === null) return;
    const wire = await rawHop(t);
    const gateway = await through(t, wire);
    const cases = all.flatMap(sequence => {
      const content = contentOf(sequence);
      return cutsOf(content, sequence).map(cut => ({ sequence, content, cut }));
    });
    await inTurns(gateway, cases, async (client, { sequence, content, cut }) => {
      const what = `${JSON.stringify(sequence)} cut at ${cut}`;
      const reply = await sendCut(client, content, cut);
      assert.match(reply, content.includes('\0') ? /^550 5\.6\.0 / : /^250 2\.6\.0 /, what);
      // Were anything smuggled, its replies would come now, before this one.
      assert.match(await client.command('VRFY marker'), /^252 /, what);
    });
    const expected = cases.filter(({ content }) => !content.includes('\0'));
    assert.equal(wire.messages.length, expected.length, 'one message in is one message out');
    for (const message of wire.messages) assertWhole(message);
    assert.deepEqual(new Set(wire.senders), new Set(['MAIL FROM:<honest@client.example>']));
    count('smuggling in and through, cut everywhere', cases.length);
  });
}

test('I10: where bare CR and LF are refused, each sequence is, at every chunk boundary', async t => {
  const all = sequences(t);
  if (all === null) return;
  const guard = { ...TEST_RULES.guard, bareNewlines: 'refuse' as const };
  const gateway = await startTestGateway({ guard, messagesPerConnection: 1e6 }, { perClient: 100, total: 100 });
  t.after(() => gateway.stop());
  const cases = all.flatMap(sequence => {
    const content = `x${sequence}${EVIL}`;
    return cutsOf(content, sequence).map(cut => ({ sequence, content, cut }));
  });
  await inTurns(gateway, cases, async (client, { sequence, content, cut }) => {
    const what = `${JSON.stringify(sequence)} cut at ${cut}`;
    assert.match(await sendCut(client, content, cut), /^550 5\.(?:5\.2|6\.0) /, what);
    assert.match(await client.command('VRFY marker'), /^252 /, what);
  });
  assert.equal(gateway.delivered.length, 0);
  count('smuggling refused, cut everywhere', cases.length);
});

test('I10: our client sends no smuggled end, were one ever in its hands', async t => {
  const all = sequences(t);
  if (all === null) return;
  const wire = await rawHop(t);
  const hop = hopTo(t, [wire.url], { tls: 'none' });
  let tried = 0;
  for (const sequence of all) {
    const content = Buffer.from(`Subject: x\r\n\r\nfirst${sequence}${EVIL}`, 'latin1');
    for (let cut = 0; cut <= content.length; cut++) {
      const stuffer = new DotStuffer();
      let sent = Buffer.alloc(0);
      const push = () => {
        for (const piece of [content.subarray(0, cut), content.subarray(cut)]) {
          sent = Buffer.concat([sent, stuffer.push(piece)]);
        }
        return stuffer.end();
      };
      assert.throws(push, MailError);
      assert.doesNotMatch(sent.toString('latin1'), /\r\n\.\r\n|(?<!\r)\n|\r(?!\n)./s, JSON.stringify(sequence));
      tried++;
    }
    const transaction = await ready(hop);
    await assert.rejects(transaction.data(bytes(content.subarray(0, 20), content.subarray(20)), within()));
    transaction.release();
    tried++;
  }
  assert.deepEqual(wire.messages, []);
  assert.ok(!wire.senders.some(line => line.includes('evil')));
  count('smuggling out of our client', tried);
});

/** As it was on the wire: lines that end in CRLF, no NUL, and its one end at its end. */
function assertWhole(message: string): void {
  assert.ok(message.endsWith(END), JSON.stringify(message));
  assert.equal(message.indexOf(END), message.length - END.length, JSON.stringify(message));
  assert.doesNotMatch(message, /\r(?!\n)|(?<!\r)\n|\0/, JSON.stringify(message));
}

/** Every boundary around the sequence; in the long form every one of the content. -1 is octet by octet. */
function cutsOf(content: string, sequence: string): number[] {
  const at = content.indexOf(sequence);
  const from = IS_LONG ? 0 : Math.max(0, at - 2);
  const to = IS_LONG ? content.length : Math.min(content.length, at + sequence.length + 2);
  return [-1, ...Array.from({ length: to - from + 1 }, (_, n) => from + n)];
}

async function sendCut(client: LineClient, content: string, cut: number): Promise<string> {
  client.write(`MAIL FROM:<honest@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n`);
  for (const code of ['250', '250', '354']) assert.equal((await client.reply()).slice(0, 3), code);
  const whole = `${content}${END}`;
  const chunks = cut === -1 ? [...whole] : [whole.slice(0, cut), whole.slice(cut)];
  for (const chunk of chunks) {
    if (chunk !== '') client.write(chunk);
    await new Promise(resolve => setImmediate(resolve));
  }
  return client.reply();
}

/** Some connections take the cases in turn. */
async function inTurns<T>(
  gateway: TestGateway,
  cases: readonly T[],
  work: (client: LineClient, one: T) => Promise<void>,
): Promise<void> {
  const left = [...cases];
  const worker = async () => {
    const open = async () => {
      const client = await LineClient.open(gateway.port);
      await client.reply();
      await client.command('EHLO c.example');
      return client;
    };
    let client = await open();
    let refused = 0;
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      await work(client, one);
      // Too many refusals close a connection.
      if (++refused % 90 !== 0) continue;
      client.destroy();
      client = await open();
    }
    client.destroy();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}

/** A gateway whose next hop is our own client, to the server that keeps every octet. */
async function through(t: TestContext, wire: RawHop): Promise<TestGateway> {
  const rules = { messagesPerConnection: 1e6 };
  const gateway = await startTestGateway(rules, { perClient: 100, total: 100 });
  t.after(() => gateway.stop());
  const hop = hopTo(t, [wire.url], { tls: 'none' });
  const { listener } = gateway;
  listener.renew({ ...listener.ports, route: () => ({ policy: TEST_POLICY, hop }) }, listener.rules, null);
  return gateway;
}

interface RawHop {
  readonly url: string;
  /** What followed 354, up to CRLF.CRLF and with it, dots as they came. */
  readonly messages: string[];
  readonly senders: string[];
}

async function rawHop(t: TestContext): Promise<RawHop> {
  const messages: string[] = [];
  const senders: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    let text = '';
    let isContent = false;
    socket.on('error', () => undefined);
    socket.write('220 raw.example ESMTP\r\n');
    socket.on('data', chunk => {
      text += chunk.toString('latin1');
      for (;;) {
        const mark = isContent ? END : '\r\n';
        const end = text.indexOf(mark);
        if (end === -1) return;
        const piece = text.slice(0, end + mark.length);
        text = text.slice(end + mark.length);
        if (isContent) messages.push(piece);
        if (/^MAIL/.test(piece)) senders.push(piece.trim());
        if (/^EHLO/.test(piece)) socket.write('250-raw.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
        else socket.write(!isContent && /^DATA/.test(piece) ? '354 go on\r\n' : '250 2.0.0 ok\r\n');
        isContent = !isContent && /^DATA/.test(piece);
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `smtp://127.0.0.1:${port}`, messages, senders };
}
