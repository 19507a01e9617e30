// I6: nothing is relayed to a domain that is not ours, however it is written. The probes go to the public listener of a
// real Postern; its next hop counts what reaches it, and that is what decides. And the mail of the world's other
// alphabets (SMTPUTF8) through the same gateway, to a hop that takes it and to one that does not.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FakeHop, startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, type RunningPostern, startPostern } from '../support/postern.ts';
import { needs, passOver } from '../support/require.ts';
import { stuffed } from '../support/send.ts';
import { LineClient } from '../support/smtp-script.ts';
import { count, IS_LONG } from './report.ts';

const EAI = join(import.meta.dirname, '../../../shared/suites/eai');
/** Of limits that would end a probe before its time. */
const LIMITS = 'limits: {connectionsPerMinutePerAddress: 0, messagesPerHourPerAddress: 0}';

/** The argument of RCPT TO, and the codes. A reply of 250 must mean one of ours at the hop: that is checked of all. */
const PROBES: readonly [argument: string, code: string][] = [
  // Ours.
  ['<user@example.org>', '250'],
  ['<USER@EXAMPLE.ORG>', '250'],
  ['<user@example.org.>', '250'],
  ['<"user"@example.org>', '250'],
  ['<postmaster>', '250'],
  ['<PostMaster>', '250'],
  ['<postmaster@example.org>', '250'],
  ['< user@example.org>', '553'],
  [' <user@example.org>', '250'],
  ['<victim=40elsewhere.example@example.org>', '250'],
  ['<victim+elsewhere.example@example.org>', '250'],
  // Plainly not ours.
  ['<victim@elsewhere.example>', '550'],
  ['<postmaster@elsewhere.example>', '550'],
  ['<abuse@elsewhere.example>', '550'],
  ['<"postmaster"@elsewhere.example>', '550'],
  ['<victim@mx.example.org>', '550'],
  ['<victim@sub.example.org>', '550'],
  ['<victim@xexample.org>', '550'],
  ['<victim@example.org.elsewhere.example>', '550'],
  ['<victim@example.orgx>', '550'],
  ['<victim@org>', '550'],
  ['<victim@example>', '550'],
  ['<victim@localhost>', '550'],
  ['<victim@localhost.localdomain>', '550'],
  // Percent hack, bang path, and both quoted.
  ['<victim%elsewhere.example@example.org>', '550'],
  ['<victim%elsewhere.example>', '553'],
  ['<victim%elsewhere.example@[127.0.0.1]>', '550'],
  ['<victim%elsewhere.example%example.org@example.org>', '550'],
  ['<"victim%elsewhere.example"@example.org>', '550'],
  ['<"victim\\%elsewhere.example"@example.org>', '550'],
  ['<elsewhere.example!victim>', '553'],
  ['<elsewhere.example!victim@example.org>', '550'],
  ['<example.org!elsewhere.example!victim@example.org>', '550'],
  ['<"elsewhere.example!victim"@example.org>', '550'],
  // Quoted local parts with an @ within.
  ['<"victim@elsewhere.example">', '553'],
  ['<"victim@elsewhere.example"@example.org>', '550'],
  ['<"victim\\@elsewhere.example"@example.org>', '550'],
  ['<victim\\@elsewhere.example@example.org>', '553'],
  ['<"victim@elsewhere.example"@elsewhere.example>', '550'],
  ['<"user@example.org"@elsewhere.example>', '550'],
  ['<"@elsewhere.example:victim"@example.org>', '550'],
  ['<"user"@elsewhere.example@example.org>', '553'],
  ['<"victim"@>', '553'],
  ['<""@elsewhere.example>', '550'],
  ['<"> "@elsewhere.example>', '550'],
  ['<"user@example.org> "@elsewhere.example>', '550'],
  // Several in one.
  ['<victim@elsewhere.example@example.org>', '553'],
  ['<user@example.org@elsewhere.example>', '553'],
  ['<@example.org@elsewhere.example>', '553'],
  ['<user@example.org,victim@elsewhere.example>', '553'],
  ['<victim@elsewhere.example,user@example.org>', '553'],
  ['<victim@elsewhere.example;user@example.org>', '553'],
  ['<victim@elsewhere.example> <user@example.org>', '501'],
  ['<user@example.org> <victim@elsewhere.example>', '501'],
  ['<user@example.org>,<victim@elsewhere.example>', '501'],
  ['<user@example.org><victim@elsewhere.example>', '501'],
  ['<<user@example.org>victim@elsewhere.example>', '501'],
  ['<victim@elsewhere.example<user@example.org>>', '501'],
  ['victim@elsewhere.example<user@example.org>', '501'],
  ['victim@elsewhere.example', '501'],
  ['user@example.org', '501'],
  ['<user@example.org', '501'],
  ['user@example.org>', '501'],
  ['"victim@elsewhere.example" <user@example.org>', '501'],
  // Source routes: ignored, so that only the last address counts (RFC 5321 4.1.1.3, appendix C).
  ['<@example.org:victim@elsewhere.example>', '550'],
  ['<@example.org,@elsewhere.example:victim@elsewhere.example>', '550'],
  ['<@elsewhere.example:user@example.org>', '250'],
  ['<@elsewhere.example,@other.example:user@example.org>', '250'],
  ['<@example.org:victim%elsewhere.example@example.org>', '550'],
  ['<@example.org:@example.org:victim@elsewhere.example>', '553'],
  ['<@example.org:>', '553'],
  ['<@example.org:<victim@elsewhere.example>>', '501'],
  ['<@[127.0.0.1]:victim@elsewhere.example>', '550'],
  // Address literals, also our own.
  ['<victim@[127.0.0.1]>', '550'],
  ['<postmaster@[127.0.0.1]>', '550'],
  ['<victim@127.0.0.1>', '550'],
  ['<victim@[IPv6:::1]>', '550'],
  ['<victim@[IPv6:::ffff:127.0.0.1]>', '550'],
  ['<victim@[::1]>', '553'],
  ['<victim@[example.org]>', '553'],
  ['<victim@[127.0.0.1].example.org>', '553'],
  ['<victim@example.org[127.0.0.1]>', '553'],
  ['<victim@#2130706433>', '553'],
  ['<victim@0x7f000001>', '550'],
  // Comments and white space.
  ['<victim(user@example.org)@elsewhere.example>', '553'],
  ['<victim@elsewhere.example(@example.org)>', '553'],
  ['<victim@(elsewhere.example)example.org>', '553'],
  ['<victim @example.org>', '553'],
  ['<victim@ example.org>', '553'],
  ['<victim@example.org >', '553'],
  ['<victim@example.org\t>', '553'],
  ['<victim@exam\x0bple.org>', '553'],
  ['<victim@elsewhere.example\x0c@example.org>', '553'],
  // No address at all.
  ['<>', '553'],
  ['<@>', '553'],
  ['<@example.org>', '553'],
  ['<user@>', '553'],
  ['<user>', '553'],
  ['<abuse>', '553'],
  ['<postmaster@>', '553'],
  ['', '501'],
  [':<victim@elsewhere.example>', '501'],
  // Confusable letters, and what a careless reader makes ours. Without SMTPUTF8 none of it is an address.
  ['<victim@ex\u0430mple.org>', '553'],
  ['<victim@example\u3002org>', '553'],
  ['<victim@\uff45xample.org>', '553'],
  ['<victim@example.or\u200bg>', '553'],
  ['<victim\uff20elsewhere.example@example.org>', '553'],
  ['<victim@xn--exmple-4nf.org>', '550'],
  ['<victim@xn--example.org>', '550'],
  ['<victim@example.org\u202e>', '553'],
  ['<victim@example%2eorg>', '553'],
  ['<victim@elsewhere.example%00example.org>', '553'],
  ['<victim@elsewhere.example?example.org>', '553'],
  ['<victim@elsewhere.example/example.org>', '553'],
  ['<victim@elsewhere.example#example.org>', '553'],
  ['<victim@-example.org>', '553'],
  ['<victim@example..org>', '553'],
  ['<victim@.example.org>', '553'],
  ['<victim@example.org..>', '553'],
];

/** As above, where MAIL said SMTPUTF8. */
const UTF8_PROBES: readonly [argument: string, code: string][] = [
  ['<j\u00f8ran@example.org>', '250'],
  ['<victim@ex\u0430mple.org>', '550'],
  ['<victim@elsewhere\u3002example>', '550'],
  // Compatibility letters are the same name to IDNA (UTS 46): ours, and passed on as ours.
  ['<user@\uff45xample\u3002org>', '250'],
  // But a hop that folds letters so within the local part would read a second address there.
  ['<victim\uff20elsewhere.example@example.org>', '550'],
  ['<victim\ufe6belsewhere.example@example.org>', '550'],
  ['<victim\uff05elsewhere.example@example.org>', '550'],
  ['<elsewhere.example\uff01victim@example.org>', '550'],
  ['<"victim\uff20elsewhere.example"@example.org>', '550'],
  ['<victim@example.org\u202e>', '553'],
  ['<victim@example.or\u200bg.elsewhere.example>', '550'],
  ['<victim@\u2488example.org>', '553'],
];

/** Whole lines, where the verb is written otherwise. */
const LINES: readonly [line: string, code: string][] = [
  ['RCPT TO :<victim@elsewhere.example>', '501'],
  ['RCPT  TO:<victim@elsewhere.example>', '501'],
  ['RCPT\tTO:<victim@elsewhere.example>', '501'],
  ['RCPT TO<victim@elsewhere.example>', '501'],
  ['RCPT <victim@elsewhere.example>', '501'],
  ['RCPT TO: <victim@elsewhere.example>', '550'],
  ['rcpt to:<victim@elsewhere.example>', '550'],
  ['RCPT TO:<user@example.org> ORCPT=rfc822;victim@elsewhere.example', '555'],
  ['RCPT TO:<user@example.org> TO:<victim@elsewhere.example>', '501'],
  ['RCPT TO:<user@example.org>\rRCPT TO:<victim@elsewhere.example>', '500'],
  ['RCPT TO:<user@example.org>\nRCPT TO:<victim@elsewhere.example>', '500'],
  ['RCPT TO:<user@example.org\0@elsewhere.example>', '500'],
];

const SENDERS = ['a@client.example', '', 'user@example.org', 'postmaster@example.org', '"a b"@client.example'];
/** What may reach the hop of example.org; local parts have no way out of it. */
const OURS = /^\d+ RCPT TO:<(?:postmaster|(?:"[^"@%!]*"|[^"@%!]+)@example\.org)>$/i;

test('I6: no probe is relayed to a domain that is not ours', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, { settings: `${domain(hop)}\n${RULES_ALONE}` });

  const senders = IS_LONG ? SENDERS : SENDERS.slice(0, 2);
  for (const sender of senders) {
    await t.test(`from <${sender}>`, async () => {
      await probe(postern, `MAIL FROM:<${sender}>`, PROBES);
      count('relay probes', PROBES.length);
    });
  }
  await t.test('in other letters', async () => {
    await probe(postern, 'MAIL FROM:<> SMTPUTF8', UTF8_PROBES);
    count('relay probes', UTF8_PROBES.length);
  });
  await t.test('with the command written otherwise', async () => {
    for (const [line, code] of LINES) {
      const client = await greeted(postern);
      assert.match(await client.command('MAIL FROM:<a@client.example>'), /^250 /);
      assert.equal((await client.command(line)).slice(0, 3), code, JSON.stringify(line));
      // Where a second line was hidden in it, that is refused by itself.
      const next = await client.command('DATA');
      assert.match(next, /^5\d\d /, `${JSON.stringify(line)}: ${next}`);
      client.destroy();
    }
    count('relay probes', LINES.length);
  });
  await t.test('and the hop has seen none but ours', () => {
    const recipients = hop.lines.filter(line => / RCPT/.test(line));
    assert.ok(recipients.length >= senders.length * 10, `${recipients.length} came through`);
    assert.deepEqual(
      recipients.filter(line => !OURS.test(line)),
      [],
    );
    assert.equal(hop.messages.length, 0);
  });
  await t.test('mail for us still passes', async () => {
    assert.match(
      await send(postern, { from: 'a@client.example', to: 'user@example.org' }, 'Subject: x\r\n\r\nx\r\n'),
      /^250 2\.6\.0 /,
    );
    assert.equal(hop.messages.length, 1);
  });
  await t.test('SMTPUTF8 mail passes to a hop that has SMTPUTF8', t => utf8Mail(t, { postern, hop, hasUtf8: true }));
});

test('SMTPUTF8 mail to a hop that has no SMTPUTF8 is refused, and none of it goes on', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop({ offers: ['PIPELINING', '8BITMIME', 'ENHANCEDSTATUSCODES'] });
  t.after(() => hop.stop());
  const postern = await startPostern(t, { settings: `${domain(hop)}\n${RULES_ALONE}` });
  await utf8Mail(t, { postern, hop, hasUtf8: false });
});

async function utf8Mail(
  t: TestContext,
  { postern, hop, hasUtf8 }: { postern: RunningPostern; hop: FakeHop; hasUtf8: boolean },
): Promise<void> {
  if (!existsSync(EAI)) return void passOver(t, 'the eai suite is not here');
  // The first message shows what the hop can do; then EHLO offers it, or does not.
  await send(postern, { from: 'a@client.example', to: 'user@example.org' }, 'Subject: first\r\n\r\nx\r\n');
  const client = await greeted(postern);
  const offered = await client.command('EHLO c.example');
  assert.equal(/^250[- ]SMTPUTF8$/m.test(offered), hasUtf8, offered);
  client.destroy();
  const names = readdirSync(EAI).filter(file => file !== 'README.md');
  assert.equal(names.length, 6);
  for (const name of names) {
    const content = Buffer.from(readFileSync(join(EAI, name), 'latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
    const before = hop.messages.length;
    const said = await send(
      postern,
      { from: 'j\u00f8ran@example.com', to: 'd\u00f8mi@example.org', utf8: true },
      content,
    );
    // There is no way down from SMTPUTF8 (RFC 6531 3.1).
    assert.match(said, hasUtf8 ? /^250 2\.6\.0 / : /^553 5\.6\.7 /, name);
    assert.equal(hop.messages.length, before + (hasUtf8 ? 1 : 0), name);
    if (!hasUtf8) continue;
    const got = hop.messages.at(-1);
    assert.equal(got?.mail, '<j\u00f8ran@example.com> BODY=8BITMIME SMTPUTF8', name);
    assert.deepEqual(got?.rcpt, ['<d\u00f8mi@example.org>'], name);
    assert.ok(got?.bytes.subarray(-content.length).equals(content), `${name}: byte for byte`);
    assert.match(got?.bytes.toString('latin1') ?? '', /with UTF8SMTP id/, name);
  }
  count(`eai messages to a hop ${hasUtf8 ? 'with' : 'without'} SMTPUTF8`, names.length);
}

function domain(hop: FakeHop): string {
  return `domains: {example.org: {nextHop: "${hop.smtp}"}}\n${LIMITS}`;
}

async function greeted(postern: RunningPostern): Promise<LineClient> {
  const client = await LineClient.open(postern.port);
  assert.match(await client.reply(), /^220 /);
  assert.match(await client.command('EHLO c.example'), /^250/);
  return client;
}

/** Each in a transaction of its own; some to a connection, which is closed after too many refusals. */
async function probe(postern: RunningPostern, mail: string, probes: typeof PROBES): Promise<void> {
  const wrong: string[] = [];
  for (let from = 0; from < probes.length; from += 40) {
    const client = await greeted(postern);
    for (const [argument, code] of probes.slice(from, from + 40)) {
      assert.match(await client.command(mail), /^250 /);
      const said = await client.command(`RCPT TO:${argument}`);
      if (said.slice(0, 3) !== code) wrong.push(`${JSON.stringify(argument)} is ${said}, not ${code}`);
      assert.match(await client.command('RSET'), /^250 /);
    }
    client.destroy();
  }
  assert.deepEqual(wrong, []);
}

/** The reply that ended it. */
async function send(
  postern: RunningPostern,
  mail: { from: string; to: string; utf8?: boolean },
  content: string | Buffer,
): Promise<string> {
  const client = await greeted(postern);
  try {
    const parameters = mail.utf8 ? ' SMTPUTF8 BODY=8BITMIME' : '';
    for (const line of [`MAIL FROM:<${mail.from}>${parameters}`, `RCPT TO:<${mail.to}>`]) {
      const said = await client.command(line);
      if (!said.startsWith('250')) return said;
    }
    assert.match(await client.command('DATA'), /^354 /);
    client.write(stuffed(Buffer.from(content)));
    return await client.command('.');
  } finally {
    client.destroy();
  }
}
