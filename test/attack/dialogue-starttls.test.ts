// STARTTLS injection both ways (RFC 3207 section 5, CVE-2011-0411 and its kin): what a man in the middle puts behind
// STARTTLS in clear is never run within TLS, and replies that a next hop gets put behind its 220 are never believed.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FakeHopOptions, type Step, selfSigned, startFakeHop } from '../support/fake-hop.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { needs } from '../support/require.ts';
import { hopTo, told } from '../unit/delivery/hop-kit.ts';
import { temporaryTls, upgrade } from './dialogue-tls.ts';
import { count, IS_LONG } from './report.ts';

const EVIL =
  'EHLO evil.example\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n.\r\n';
const BEFORE: Readonly<Record<string, string>> = {
  EHLO: 'EHLO c.example\r\n',
  'a transaction': 'EHLO c.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.org>\r\n',
  nothing: '',
};
const INJECTED: Readonly<Record<string, string>> = {
  nothing: '',
  'a command': 'EHLO evil.example\r\n',
  'half a command': 'EHLO evil.exa',
  'half a line end': 'EHLO evil.example\r',
  'a bare line feed': 'EHLO evil.example\n',
  'a whole message': EVIL,
  'another STARTTLS': 'STARTTLS\r\nEHLO evil.example\r\n',
  QUIT: 'QUIT\r\n',
  'commands over several turns of the event loop': 'EHLO evil.example\r\n'.repeat(230),
  'more than is read ahead': `${'NOOP\r\n'.repeat(4000)}${EVIL}`,
  'a line without end': 'x'.repeat(3000),
  NULs: '\0\0\0\r\n',
  'a TLS record of its own': '\x16\x03\x01\x00\x05hello',
};
/** Injections of which every cut is tried. */
const CUT_UP_TO = 60;

for (const [state, before] of Object.entries(BEFORE).slice(0, IS_LONG ? undefined : 2)) {
  test(`what is put behind STARTTLS is never run within TLS: after ${state}`, async t => {
    if (!needs(t, 'openssl')) return;
    const gateway = await startTestGateway({}, { tls: await temporaryTls(), perClient: 1000, total: 1000 });
    t.after(() => gateway.stop());
    const runs = Object.entries(INJECTED).flatMap(([what, injected]) =>
      cuts(before, injected).map(chunks => tryOne(gateway, chunks, `${what}, sent as ${chunks.length}`)),
    );
    const tried = runs.length;
    const secure = (await Promise.all(runs)).filter(Boolean).length;
    // Where the injected bytes came after the 220 they spoil the handshake, and that is as well.
    assert.ok(secure >= Object.keys(INJECTED).length, `${secure} of ${tried} came to shake hands`);
    assert.equal(gateway.delivered.length, secure, 'the client’s own messages and no others');
    assert.equal(gateway.delivered.filter(one => one.mailFrom !== 'honest@client.example').length, 0);
    assert.equal(gateway.openHops(), 0);
    assert.deepEqual(gateway.misused, []);
    count('STARTTLS injection, into us', tried);
  });
}

/** All in one packet, and cut in two at every octet behind the commands before it. */
function cuts(before: string, injected: string): string[][] {
  const text = `STARTTLS\r\n${injected}`;
  const most = injected.length <= CUT_UP_TO ? text.length : 12;
  const step = IS_LONG ? 1 : 3;
  const found = [[before + text]];
  for (let at = 1; at < most; at += step) found.push([before + text.slice(0, at), text.slice(at)]);
  return found;
}

/** Did it come to TLS? */
async function tryOne(gateway: TestGateway, chunks: readonly string[], what: string): Promise<boolean> {
  const { clear, client } = await upgrade(gateway.port, chunks);
  // Behind the 220 nothing may be said in clear.
  assert.match(clear, /^(?:(?!220 2\.0\.0)[^\n]*\n)*(?:220 2\.0\.0 [^\n]*\n)?$/, `${what}: ${clear}`);
  if (client === null) return false;
  try {
    assert.match(await client.command('MAIL FROM:<honest@client.example>'), /^503 5\.5\.1 Send HELO/, what);
    const hello = await client.command('EHLO honest.example');
    assert.match(hello, /^250-mx\.example\.org\n/, what);
    assert.doesNotMatch(hello, /STARTTLS/, what);
    assert.match(await client.command('RCPT TO:<user@example.org>'), /^503 /, what);
    assert.match(await client.command('STARTTLS'), /^503 5\.5\.1 /, what);
    assert.match(await client.command('MAIL FROM:<honest@client.example>'), /^250 /, what);
    assert.match(await client.command('RCPT TO:<user@example.org>'), /^250 /, what);
    assert.match(await client.command('DATA'), /^354 /, what);
    assert.match(await client.command('Subject: honest\r\n\r\nx\r\n.'), /^250 2\.6\.0 /, what);
  } finally {
    client.destroy();
  }
  return true;
}

test('pipelining behind the handshake is answered in order', async t => {
  if (!needs(t, 'openssl')) return;
  const gateway = await startTestGateway({}, { tls: await temporaryTls() });
  t.after(() => gateway.stop());
  const { client } = await upgrade(gateway.port, ['EHLO c.example\r\n', 'STARTTLS\r\n']);
  assert.ok(client !== null);
  client.write(`${EVIL}${EVIL.replace('EHLO evil.example', 'RSET')}QUIT\r\n`);
  const codes: string[] = [];
  for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) codes.push(reply.slice(0, 3));
  assert.deepEqual(codes, ['250', '250', '250', '354', '250', '250', '250', '250', '354', '250', '221']);
  assert.equal(gateway.delivered.length, 2);
  count('pipelining within TLS', codes.length);
});

/** What is put behind the hop's 220 to STARTTLS: were it believed, mail would be lost or sent in clear. */
const REPLIES: Readonly<Record<string, string>> = {
  'one reply': '250 fake\r\n',
  'the reply to EHLO': '250-fake.example\r\n250 SIZE 1\r\n',
  'the replies to a whole session':
    '250 fake\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 queued\r\n221 bye\r\n',
  'a refusal for good': '554 5.7.1 go away\r\n',
  'half a reply': '250-fake',
  'half a line end': '250 fake\r',
  'an empty line': '\r\n',
  garbage: '\0\xff\r\n',
};

for (const tls of ['may', 'must', 'verify'] as const) {
  test(`replies put behind a next hop's 220 are not believed: ${tls}`, async t => {
    if (!needs(t, 'openssl')) return;
    const keys = selfSigned();
    const options = { tls, ...(tls === 'verify' ? { ca: keys.cert } : {}) } as const;
    for (const [what, replies] of Object.entries(REPLIES)) {
      for (const thenTls of [true, false]) {
        const raw = { raw: `220 2.0.0 go ahead\r\n${replies}`, ...(thenTls ? { thenTls } : {}) } as const;
        const steps = { STARTTLS: raw };
        const { lines, messages, words } = await deliverTo(t, { tls: keys, steps }, options);
        assert.match(words, /^open 451 /, `${what}: ${words}`);
        assert.equal(messages, 0, what);
        assert.deepEqual(
          lines.filter(line => /MAIL|RCPT|DATA/.test(line)),
          [],
          what,
        );
      }
    }
    count('STARTTLS injection, into our client', Object.keys(REPLIES).length * 2);
  });
}

const AHEAD: Readonly<Partial<Record<Step, string>>> = {
  connect: '220 fake.example\r\n',
  EHLO: '250-fake.example\r\n250 PIPELINING\r\n',
};
test('a next hop that answers ahead of the commands is not believed', async t => {
  for (const [step, reply] of Object.entries(AHEAD)) {
    // Half a line is only the beginning of a strange reply, which may come later.
    const whole = Object.entries(REPLIES).filter(([, replies]) => replies.endsWith('\n'));
    for (const [what, replies] of whole) {
      const steps = { [step]: { raw: `${reply}${replies}` } };
      const { messages, words } = await deliverTo(t, { steps }, { tls: 'none' });
      assert.doesNotMatch(words, /250/, `${what} ahead at ${step}: ${words}`);
      assert.match(words, / 451 | lost/, `${what} ahead at ${step}: ${words}`);
      assert.equal(messages, 0, `${what} ahead at ${step}`);
    }
  }
  count('replies ahead of the commands, into our client', 12);
});

async function deliverTo(
  t: TestContext,
  fakeOptions: FakeHopOptions,
  options: Parameters<typeof hopTo>[2],
): Promise<{ words: string; lines: readonly string[]; messages: number }> {
  const fake = await startFakeHop(fakeOptions);
  const hop = hopTo(t, [fake.smtp], { ...options, timeouts: { connectMs: 1000, commandMs: 1000 } });
  try {
    const words = await told(hop);
    return { words, lines: [...fake.lines], messages: fake.messages.length };
  } finally {
    await hop.close();
    await fake.stop();
  }
}
