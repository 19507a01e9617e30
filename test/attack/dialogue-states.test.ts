// Every command in every state, in clear and within TLS: one reply each, of the class that the table says, and no state is
// damaged: nothing else was answered, and a whole message passes afterwards.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { REPLIES, replyText } from '../../src/mail/reply.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { LineClient } from '../support/smtp-script.ts';
import { temporaryTls, upgraded } from './dialogue-tls.ts';
import { count, IS_LONG } from './report.ts';

type Phase = 'fresh' | 'greeted' | 'sender' | 'recipient';

const HELLO = 'EHLO c.example';
const MAIL = 'MAIL FROM:<a@client.example>';
const RCPT = 'RCPT TO:<user@example.org>';
const MESSAGE = 'Subject: x\r\n\r\nx\r\n.';

/** What brings a new connection into the state, and which column of COMMANDS holds there. */
const STATES: readonly [name: string, lines: readonly string[], phase: Phase][] = [
  ['connected', [], 'fresh'],
  ['a refused EHLO', ['EHLO two names'], 'fresh'],
  ['EHLO', [HELLO], 'greeted'],
  ['HELO', ['HELO c.example'], 'greeted'],
  ['EHLO twice', [HELLO, HELLO], 'greeted'],
  ['a refused MAIL', [HELLO, 'MAIL FROM:<a b@client.example>'], 'greeted'],
  ['MAIL', [HELLO, MAIL], 'sender'],
  ['a null sender', [HELLO, 'MAIL FROM:<>'], 'sender'],
  ['SMTPUTF8', [HELLO, 'MAIL FROM:<a@client.example> SMTPUTF8 BODY=8BITMIME SIZE=9'], 'sender'],
  ['a refused RCPT', [HELLO, MAIL, 'RCPT TO:<u@elsewhere.example>'], 'sender'],
  ['a refused DATA', [HELLO, MAIL, 'DATA'], 'sender'],
  ['a nested MAIL', [HELLO, MAIL, MAIL], 'sender'],
  ['RCPT', [HELLO, MAIL, RCPT], 'recipient'],
  ['RCPT twice', [HELLO, MAIL, RCPT, RCPT], 'recipient'],
  ['one RCPT of two refused', [HELLO, MAIL, RCPT, 'RCPT TO:<u@elsewhere.example>'], 'recipient'],
  ['a refused EHLO within', [HELLO, MAIL, RCPT, 'EHLO'], 'recipient'],
  ['RSET', [HELLO, MAIL, RCPT, 'RSET'], 'greeted'],
  ['EHLO within', [HELLO, MAIL, RCPT, HELLO], 'greeted'],
  ['a message', [HELLO, MAIL, RCPT, 'DATA', MESSAGE], 'greeted'],
  ['a message refused for a NUL', [HELLO, MAIL, RCPT, 'DATA', 'Subject: x\r\n\r\nx\0\r\n.'], 'greeted'],
];

/** The expected code when fresh, greeted, with a sender, with a recipient. One code stands for all four. */
const COMMANDS: readonly [command: string, codes: string][] = [
  ['EHLO again.example', '250'],
  ['ehlo again.example  ', '250'],
  ['HELO again.example', '250'],
  ['EHLO [127.0.0.1]', '250'],
  ['EHLO [IPv6:::1]', '250'],
  ['EHLO', '501'],
  ['HELO', '501'],
  ['EHLO ', '501'],
  ['EHLO two names', '501'],
  [`EHLO ${'x'.repeat(256)}`, '501'],
  ['EHLO a\x07b', '501'],
  ['EHLO a\x7fb', '501'],
  ['LHLO c.example', '502'],
  ['MAIL FROM:<b@client.example>', '503 250 503 503'],
  ['mail from:<b@client.example>', '503 250 503 503'],
  ['MAIL FROM:<>', '503 250 503 503'],
  ['MAIL FROM:<b@client.example>  ', '503 250 503 503'],
  ['MAIL FROM:b@client.example', '503 501 503 503'],
  ['MAIL', '503 501 503 503'],
  ['MAIL FROM', '503 501 503 503'],
  ['MAIL FROM:', '503 501 503 503'],
  ['MAIL FROM:<b@client.example', '503 501 503 503'],
  ['MAIL FROM:<<b@client.example>>', '503 501 503 503'],
  ['MAIL FROM:<b@client.example> BODY=BINARYMIME', '503 501 503 503'],
  ['MAIL FROM:<b@client.example> SIZE=1 SIZE=1', '503 501 503 503'],
  ['MAIL FROM:<b@client.example> AUTH=<>', '503 555 503 503'],
  ['MAIL FROM:<b@client.example> SIZE=99999999999', '503 552 503 503'],
  ['MAIL TO:<b@client.example>', '503 501 503 503'],
  ['RCPT TO:<other@example.org>', '503 503 250 250'],
  ['rcpt to:<other@example.org>', '503 503 250 250'],
  ['RCPT TO:<user@elsewhere.example>', '503 503 550 550'],
  ['RCPT TO:<>', '503 503 553 553'],
  ['RCPT TO:', '503 503 501 501'],
  ['RCPT FROM:<other@example.org>', '503 503 501 501'],
  ['RCPT TO:<other@example.org> NOTIFY=NEVER', '503 503 555 555'],
  ['DATA', '503 503 554 354'],
  ['data  ', '503 503 554 354'],
  ['DATA now', '501'],
  ['RSET', '250'],
  ['rset ', '250'],
  ['RSET now', '501'],
  ['NOOP', '250'],
  ['NOOP with words', '250'],
  ['NOOP \u00ff\u00fe', '250'],
  ['VRFY user', '252'],
  ['VRFY', '501'],
  ['VRFY \u00e4@example.org', '252'],
  ['EXPN list', '502'],
  ['HELP', '214'],
  ['HELP MAIL', '214'],
  ['AUTH PLAIN AGEAYg==', '502'],
  ['AUTH LOGIN', '502'],
  ['BDAT 0 LAST', '421'],
  ['BDAT 10 LAST', '421'],
  ['BURL imap://x LAST', '502'],
  ['ETRN example.org', '502'],
  ['ATRN example.org', '502'],
  ['TURN', '502'],
  ['SEND FROM:<a@client.example>', '502'],
  ['SOML FROM:<a@client.example>', '502'],
  ['SAML FROM:<a@client.example>', '502'],
  ['XCLIENT ADDR=10.0.0.1', '502'],
  ['XFORWARD NAME=inside.example', '502'],
  ['PROXY TCP4 10.0.0.1 10.0.0.2 1 2', '500'],
  ['WIZ', '500'],
  ['SHELL', '500'],
  ['KILL', '500'],
  ['DEBUG', '500'],
  ['', '500'],
  [' ', '500'],
  [' NOOP', '500'],
  ['NOOP\x0b', '500'],
  ['.', '500'],
  ['\u00ff\u00fe', '500'],
  ['MAILFROM:<a@client.example>', '500'],
  ['constructor', '500'],
  ['__proto__', '500'],
  ['toString', '500'],
  ['250 Ok', '500'],
  ['STARTTLS now', '501'],
  ['QUIT now', '501'],
  ['QUIT', '221'],
  ['quit ', '221'],
  ['GET / HTTP/1.1', '421'],
  ['POST /x HTTP/1.0', '421'],
  ['CONNECT example.org:25 HTTP/1.1', '421'],
];
const PHASES: readonly Phase[] = ['fresh', 'greeted', 'sender', 'recipient'];
/** I5: all that we ever say, but for 354 and the answers to EHLO and HELO. */
const ROWS: ReadonlySet<string> = new Set(Object.values(REPLIES).map(replyText));
/** Connections at once. */
const AT_ONCE = 60;

for (const isSecure of [false, true]) {
  describe(isSecure ? 'within TLS' : 'in clear', () => {
    let gateway: TestGateway;
    before(async () => {
      const tls = isSecure ? await temporaryTls() : null;
      gateway = await startTestGateway({}, { perClient: 1000, total: 1000, tls });
    });
    after(() => gateway.stop());

    const commands: typeof COMMANDS = [...COMMANDS, ['STARTTLS', isSecure ? '503' : '502']];
    const cases = commands.flatMap(([command, codes], index) =>
      statesFor(index, isSecure).map(([name, lines, phase]) => {
        const code = codes.split(' ').at(codes.includes(' ') ? PHASES.indexOf(phase) : 0) ?? '';
        return { command, name, lines: [...lines, command], code };
      }),
    );
    for (let from = 0; from < cases.length; from += AT_ONCE) {
      const group = cases.slice(from, from + AT_ONCE);
      const names = [...new Set(group.map(({ command }) => shown(command)))].join(', ');
      test(`one reply in every state, and no harm: ${names}`, async () => {
        await Promise.all(group.map(one => runIn(gateway, isSecure, one)));
        assert.deepEqual(gateway.misused, []);
        count(`every command in every state, ${isSecure ? 'within TLS' : 'in clear'}`, group.length);
      });
    }

    test('nothing is left behind', () => {
      assert.equal(gateway.openHops(), 0);
      assert.equal(gateway.spooled.size, 0);
    });
  });
}

/** All; in the short form some, others for each command, and one where a handshake costs more than all that follows. */
function statesFor(index: number, isSecure: boolean): typeof STATES {
  return IS_LONG ? STATES : STATES.filter((_, n) => (n + index) % (isSecure ? STATES.length : 3) === 0);
}

async function runIn(
  gateway: TestGateway,
  isSecure: boolean,
  { name, lines, code }: { name: string; lines: readonly string[]; code: string },
): Promise<void> {
  const client = isSecure ? await upgraded(gateway.port) : await LineClient.open(gateway.port);
  try {
    if (!isSecure) assert.match(await client.reply(), /^220 /);
    let last = '';
    for (const line of lines) last = await client.command(line);
    const where = `${shown(lines.at(-1) ?? '')} in the state ${name}: ${last}`;
    assert.equal(last.slice(0, 3), code, where);
    assert.ok(
      // What is in the books ends in its id.
      ROWS.has(last.replace(/ \([0-9a-z]{18}\)$/, '')) || /^(?:354 End data|250[- ]mx\.example\.org)/.test(last),
      `no row of the table: ${where}`,
    );
    if (code === '221' || code === '421') return assert.equal(await client.line(), null, where);
    if (code === '354') assert.match(await client.command(MESSAGE), /^250 2\.6\.0 /, where);
    assert.match(await client.command('VRFY marker'), /^252 /, `nothing but its own reply came: ${where}`);
    for (const line of ['HELO c.example', MAIL, RCPT]) assert.match(await client.command(line), /^250 /, where);
    assert.match(await client.command('DATA'), /^354 /, where);
    assert.match(await client.command(MESSAGE), /^250 2\.6\.0 /, where);
  } finally {
    client.destroy();
  }
}

function shown(command: string): string {
  return JSON.stringify(command.length > 40 ? `${command.slice(0, 40)}…` : command);
}
