// The SMTP dialogue under mutation: whatever is sent, and however it is cut, each whole line has exactly one reply, and
// nothing is delivered but what was sent as a message. The replies themselves say in which state each octet was read.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Chance, chance, rounds } from '../support/chance.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

const LINES = [
  'EHLO client.example',
  'HELO client.example',
  'MAIL FROM:<a@client.example>',
  'MAIL FROM:<> SIZE=100 BODY=8BITMIME',
  'MAIL FROM:<"a b"@client.example> SMTPUTF8',
  'RCPT TO:<user@example.org>',
  'RCPT TO:<other@example.org>',
  'RCPT TO:<user@strict.example>',
  'RCPT TO:<user@elsewhere.example>',
  'RCPT TO:<postmaster>',
  'DATA',
  'RSET',
  'NOOP',
  'VRFY user',
  'VRFY',
  'HELP',
  'EXPN list',
  'STARTTLS',
  'STARTTLS now',
  'AUTH PLAIN AGEAYg==',
  'BDAT 5 LAST',
  'XCLIENT ADDR=10.0.0.1 NAME=inside.example',
  'XFORWARD ADDR=10.0.0.1',
  'RSET now',
  'QUIT now',
  `NOOP ${'x'.repeat(2040)}`,
  `NOOP ${'x'.repeat(2043)}`,
];
const CONTENT = [
  'Subject: x',
  '',
  ' folded',
  'text',
  '.',
  '..',
  '.text',
  'x'.repeat(200),
  '\u00e4',
  'Received: by a',
  '.\r',
  '\n.\n',
];
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n'];
const ODD = ['\0', '\r', '\n', '.', '<', '>', '"', '\xff', '\x80', ' ', ':', '\r\n.\r\n', 'y'.repeat(2100)];
/** Closes whatever is open: a line, a message, the session. */
const CLOSING = '\r\n.\r\nQUIT\r\n';
const SESSIONS = 200;
const AT_ONCE = 20;
/** The server may see the end of the last ones after their clients have. */
const ROOM = { perClient: 3 * AT_ONCE, total: 3 * AT_ONCE };

test('I10: every whole line has one reply, and only messages are delivered', async t => {
  const chances = chance(t);
  const gateway = await startTestGateway({}, ROOM);
  let accepted = 0;
  try {
    for (let done = 0; done < rounds(SESSIONS); done += AT_ONCE) {
      const inputs = Array.from({ length: AT_ONCE }, () => dialogue(chances));
      const heard = await Promise.all(inputs.map(input => say(gateway.port, input.chunks)));
      inputs.forEach((input, index) => {
        accepted += check(gateway, input.text, heard[index] ?? '');
      });
    }
    assert.equal(gateway.delivered.length, accepted, 'no message but those whose dot was answered with 250');
    assert.ok(accepted > 10, `${accepted} messages came through`);
  } finally {
    await gateway.stop();
  }
  assert.equal(gateway.openHops(), 0);
  assert.equal(gateway.spooled.size, 0);
  assert.deepEqual(gateway.misused, []);
});

test('I10: a dialogue that is cut in two, wherever, is the same dialogue', async () => {
  const message = (n: number) =>
    `MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nSubject: ${n}\r\n\r\n..\r\n.x\r\n.\r\n`;
  const odd = 'XCLIENT ADDR=10.0.0.1\r\nSTARTTLS\r\nNOOP\nNOOP\r\nVRFY a\0b\r\n';
  const text = `EHLO client.example\r\n${message(1)}${odd}RSET\r\n${message(2)}QUIT\r\n`;
  const gateway = await startTestGateway({}, ROOM);
  let accepted = 0;
  try {
    const step = Math.max(1, Math.floor(4 / rounds(1)));
    for (let from = 1; from < text.length; from += AT_ONCE * step) {
      const places = Array.from({ length: AT_ONCE }, (_, n) => from + n * step).filter(at => at < text.length);
      const heard = await Promise.all(places.map(at => say(gateway.port, [text.slice(0, at), text.slice(at)])));
      for (const one of heard) {
        const n = check(gateway, text, one);
        assert.equal(n, 2, one);
        accepted += n;
      }
    }
    assert.equal(gateway.delivered.length, accepted);
  } finally {
    await gateway.stop();
  }
});

/** Latin1 text, and the same cut into chunks. */
function dialogue(chances: Chance): { text: string; chunks: string[] } {
  let text = chances.below(10) > 0 ? 'EHLO client.example\r\n' : '';
  for (let n = chances.below(4); n >= 0; n--) {
    // Mostly whole transactions, or nearly nothing would ever get as far as content.
    if (chances.below(3) > 0) text += 'MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n';
    else text += Array.from({ length: chances.below(8) }, () => chances.pick(LINES) + chances.pick(ENDS)).join('');
    text += Array.from({ length: chances.below(8) }, () => chances.pick(CONTENT) + chances.pick(ENDS)).join('');
    if (chances.below(4) > 0) text += '\r\n.\r\n';
  }
  for (let n = chances.below(4); n > 0; n--) {
    const at = chances.below(text.length);
    text = text.slice(0, at) + chances.pick([...ODD, '']) + text.slice(at + chances.below(3));
  }
  text = Buffer.from(text + CLOSING, 'latin1').toString('latin1');
  const chunks: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = 1 + chances.below(chances.pick([3, 40, 2000]));
    chunks.push(text.slice(at, at + length));
    at += length;
  }
  return { text, chunks };
}

/** Everything the server said after its greeting, until it closed. */
async function say(port: number, chunks: readonly string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let heard = '';
  const closed = new Promise<void>(resolve => socket.on('close', () => resolve()));
  socket.on('error', () => undefined);
  await new Promise<void>(resolve => socket.once('data', () => resolve()));
  socket.on('data', chunk => {
    heard += chunk.toString('latin1');
  });
  for (const chunk of chunks) {
    if (socket.destroyed) break;
    socket.write(chunk, 'latin1');
    await new Promise(resolve => setImmediate(resolve));
  }
  await closed;
  return heard;
}

/** Walks through what was sent with the replies in hand. How many messages were accepted. */
function check(gateway: TestGateway, text: string, heard: string): number {
  assert.match(heard, /\r\n$/, 'replies are whole lines');
  const replies = heard.match(/(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/g) ?? [];
  assert.equal(replies.join(''), heard, 'and nothing else');
  const shown = () => `${JSON.stringify(text)}\n${heard}`;
  let accepted = 0;
  let at = 0;
  let next = 0;
  for (;;) {
    const end = text.indexOf('\n', at);
    if (end === -1 || end - at > 2048) {
      assert.match(replies[next++] ?? '', /^421 4\.5\.2 /, shown());
      break;
    }
    const reply = replies[next++] ?? '';
    assert.notEqual(reply, '', `a line without a reply: ${shown()}`);
    const line = text.slice(at, end + 1);
    at = end + 1;
    if (/^[42]21 /.test(reply)) break;
    // What follows these is content, whatever the answer: with more behind them the connection is out of step.
    const isRefused = /^(?:data\r\n$|bdat )/i.test(line) && !reply.startsWith('354 ');
    if (isRefused && /^421 4\.5\.0 /.test(replies[next] ?? '')) {
      next++;
      break;
    }
    if (!reply.startsWith('354 ')) continue;
    const message = contentFrom(text, at);
    assert.ok(message !== null, shown());
    at = message.behind;
    const final = replies[next++] ?? '';
    const isUnfit = message.content.includes('\0');
    assert.match(final, isUnfit ? /^550 5\.6\.0 / : /^250 2\.6\.0 /, shown());
    if (isUnfit) continue;
    accepted++;
    const id = /\(([0-9a-z]{18})\)\r\n$/.exec(final)?.[1];
    const found = gateway.delivered.filter(one => one.bytes.includes(id ?? '?'));
    assert.equal(found.length, 1, shown());
    const bytes = found[0]?.bytes.toString('latin1') ?? '';
    const body = bytes.slice(bytes.indexOf('Received: ')).replace(/^Received: .*?\r\n(?![ \t])/s, '');
    const normal = message.content.replace(/\r\n|\r|\n/g, '\r\n');
    // What begins with white space would continue our own field: an empty line keeps them apart.
    assert.equal(body, /^[ \t]/.test(normal) ? `\r\n${normal}` : normal, shown());
  }
  assert.equal(next, replies.length, `replies to nothing: ${shown()}`);
  return accepted;
}

function contentFrom(text: string, at: number): { content: string; behind: number } | null {
  const whole = `\r\n${text.slice(at)}`;
  const end = whole.indexOf('\r\n.\r\n');
  if (end === -1) return null;
  const content = whole
    .slice(0, end + 2)
    .replace(/\n\.\./g, '\n.')
    .slice(2);
  return { content, behind: at + end + 3 };
}
