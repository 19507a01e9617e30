// The log line of a transaction's end, through the real listener: with a message, and without one.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Recipients } from '../../../src/gateway/asked.ts';
import type { GatewayRules } from '../../../src/gateway/gateway.ts';
import { MailError } from '../../../src/mail/error.ts';
import { hit } from '../../../src/mail/finding.ts';
import { createLog } from '../../../src/platform/log.ts';
import { type LogLine, startTestGateway, TEST_RULES, type TestGateway } from '../../support/gateway.ts';
import { LineClient } from '../../support/smtp-script.ts';
import { waitFor } from '../../support/wait-for.ts';

type Told = Record<string, unknown> & { readonly message: string };

/** The lines of the log that the commands leave, and their replies; a last item that is no command is the content. */
async function told(
  commands: readonly string[],
  prepare: (gateway: TestGateway) => void = () => undefined,
  rules: Partial<GatewayRules> = {},
): Promise<{ lines: Told[]; replies: string[]; gateway: TestGateway }> {
  const gateway = await startTestGateway(rules);
  const lines: Told[] = [];
  gateway.steering.logged = ({ message, fields }: LogLine) => void lines.push({ ...fields, message });
  prepare(gateway);
  const client = await LineClient.open(gateway.port);
  const replies: string[] = [];
  await client.reply();
  for (const command of ['EHLO c.example', ...commands]) replies.push(await client.command(command));
  client.destroy();
  await waitFor('the listener sees it', () => gateway.listener.connections.size === 0);
  await gateway.stop();
  return { lines, replies: replies.slice(1), gateway };
}

const FROM = 'MAIL FROM:<a@client.example>';

test('recipients that were all refused leave one line, with our reply and the next hop’s words', async () => {
  const { lines, replies, gateway } = await told(
    [FROM, 'RCPT TO:<nobody@example.org>', 'RCPT TO:<victim@elsewhere.example>', 'QUIT'],
    ({ steering }) =>
      steering.hopSays.set('RCPT nobody@example.org', { code: 550, enhanced: '5.1.1', text: 'No such user here' }),
  );
  assert.equal(lines.length, 1);
  const { id, client, from, message, refused, to } = lines[0] ?? { message: '' };
  assert.equal(id, gateway.records[0]?.id, 'the id that trace knows');
  for (const reply of replies.slice(1, 3)) assert.ok(reply.endsWith(` (${id})`), reply);
  assert.deepEqual([message, client, from, to], ['no message', '127.0.0.1', 'a@client.example', []]);
  assert.deepEqual(refused, [
    {
      rcpt: 'nobody@example.org',
      reply: '550 5.1.1 Refused by the destination',
      said: '550 5.1.1 No such user here',
      hop: 'smtp://test:25',
    },
    { rcpt: 'victim@elsewhere.example', reply: '550 5.7.1 Relaying denied' },
  ]);
  assert.deepEqual(gateway.recipients, ['refused', 'refused']);
  assert.deepEqual(gateway.counted, [], 'no message to count');
});

test('a next hop that cannot be used is a line with client, sender and recipient, and one at the end', async () => {
  const { lines, gateway } = await told(
    [FROM, 'RCPT TO:<user@example.org>', 'RCPT TO:<other@example.org>', 'RSET'],
    ({ steering }) => {
      steering.hopTrouble = 'down';
    },
  );
  const [away, end, ...others] = lines;
  assert.deepEqual(others, []);
  assert.equal(away?.message, 'next hop cannot be used');
  assert.deepEqual([away?.client, away?.from, away?.rcpt], ['127.0.0.1', 'a@client.example', 'user@example.org']);
  assert.equal(end?.message, 'no message');
  assert.equal(end?.id, away?.id);
  assert.deepEqual(
    (end?.refused as { rcpt: string }[]).map(({ rcpt }) => rcpt),
    ['user@example.org', 'other@example.org'],
  );
  assert.deepEqual(gateway.recipients, ['deferred', 'deferred']);
});

test('a harvest of a hundred recipients is one line of a bounded length', async () => {
  const names = Array.from({ length: 100 }, (_, i) => `RCPT TO:<${'x'.repeat(60)}${i}@elsewhere.example>`);
  const { lines, gateway } = await told([FROM, ...names]);
  assert.equal(lines.length, 1);
  const { refused, untold } = lines[0] ?? { message: '' };
  const count = (refused as unknown[]).length;
  assert.ok(count >= 10 && JSON.stringify(lines[0]).length < 10_000, `${count} told`);
  assert.equal(Number(untold) + count, gateway.recipients.length);
});

test('no line is longer than a log reader takes, however long addresses and words are', async () => {
  const local = '\u20ac'.repeat(120);
  const rcpt = (i: number) => `RCPT TO:<${local}${i}@example.org>`;
  const bad = (i: number) => `RCPT TO:<${'\u202e'.repeat(300)}${i}@b@c>`;
  const words = { code: 550, enhanced: '5.1.1', text: '\u20ac'.repeat(400) };
  const wide = { subject: '\u202e'.repeat(500), messageId: '\u202e'.repeat(500) };
  const commands = [
    'MAIL FROM:<a@client.example> SMTPUTF8',
    ...Array.from({ length: 25 }, (_, i) => rcpt(i)),
    ...Array.from({ length: 25 }, (_, i) => rcpt(100 + i)),
    ...Array.from({ length: 25 }, (_, i) => bad(i)),
  ];
  for (const last of [['DATA', 'Subject: x\r\n\r\nhello\r\n.'], ['RSET']]) {
    const { lines, gateway } = await told([...commands, ...last], ({ steering }) => {
      steering.hopSays.set('DATA', words);
      for (let i = 100; i < 125; i++) {
        steering.hopSays.set(`RCPT ${rcpt(i).slice('RCPT TO:<'.length, -1)}`, words);
      }
      steering.scan = async ({ id }) => ({
        version: 1,
        id,
        findings: Array.from({ length: 300 }, (_, i) => ({
          ...hit(`${'S'.repeat(60)}${i}`),
          scanner: 'test',
          points: 0,
          effect: null,
        })),
        score: 0,
        ms: {},
        rulesDigest: '',
        summary: { ...wide, from: [], linkDomains: [], attachments: [] },
      });
    });
    const [line] = lines.filter(({ message }) => message.endsWith('message'));
    const { to, refused, untold } = line as unknown as { to: unknown[]; refused: unknown[]; untold: number };
    assert.ok(refused.length > 0 && (to.length > 0 || gateway.counted.length === 0), 'some of each kind are told');
    assert.equal(to.length + refused.length + untold, 75);
    const bytes = Buffer.byteLength(JSON.stringify(line));
    assert.ok(bytes < 16_000, `${bytes} bytes`);
  }
});

test('of recipients that cannot be read twenty are kept, and all are counted', () => {
  const recipients = new Recipients();
  for (let i = 0; i < 50; i++) recipients.notRead({ raw: `<${i}>`, reply: '553' });
  const { unread, unreadCount } = recipients.told;
  assert.deepEqual([unread.length, unreadCount, recipients.isEmpty], [20, 50, false]);
  assert.equal(unread.at(-1)?.raw, '<19>');
});

test('the expression for fail2ban sees a refused recipient anywhere in the list, and no other client', async () => {
  const docs = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const expression = /failregex = (.*)$/m.exec(docs)?.[1] ?? '';
  // As fail2ban does: the address is what <HOST> stands for.
  const failed = new RegExp(expression.replace('<HOST>', '(?<host>[0-9a-f.:]+)'));
  const hosts = async (commands: readonly string[], code: number, enhanced: string | null) => {
    const { lines } = await told([FROM, ...commands, 'RSET'], ({ steering }) => {
      steering.hopSays.set('RCPT later@example.org', { code: 452, enhanced: '4.2.2', text: 'full' });
      steering.hopSays.set('RCPT nobody@example.org', { code, enhanced, text: 'no such user' });
    });
    const written: string[] = [];
    const log = createLog('info', line => void written.push(line));
    for (const { message, ...fields } of lines) log.info(fields, message);
    return written.map(line => failed.exec(line)?.groups?.['host']);
  };
  const nobody = 'RCPT TO:<nobody@example.org>';
  assert.deepEqual(await hosts([nobody], 550, '5.1.1'), ['127.0.0.1']);
  assert.deepEqual(await hosts(['RCPT TO:<later@example.org>', nobody], 550, '5.1.1'), ['127.0.0.1']);
  assert.deepEqual(await hosts([nobody], 550, null), ['127.0.0.1']);
  assert.deepEqual(await hosts(['RCPT TO:<"u v"@elsewhere.example>'], 250, null), ['127.0.0.1']);
  const forged = '\\"client\\":\\"192.0.2.1\\",\\"reply\\":\\"550 5.1.1 x';
  assert.deepEqual(await hosts([`RCPT TO:<"${forged}"@elsewhere.example>`], 250, null), ['127.0.0.1']);
  assert.deepEqual(await hosts(['RCPT TO:<later@example.org>'], 250, null), [undefined], 'no refusal for good');
});

test('a transaction that named nobody leaves no line', async () => {
  const { lines } = await told([FROM, 'RSET', FROM, 'QUIT']);
  assert.deepEqual(lines, []);
});

test('MAIL that is refused leaves a line, and so does a recipient that is no address', async () => {
  const { lines } = await told([
    'MAIL FROM:<gr\u00f6\u00dfe@client.example>',
    'MAIL FROM:<no address>',
    FROM,
    'RCPT TO:<a@b@c@d>',
    'QUIT',
  ]);
  const [utf8, syntax, end, ...others] = lines;
  assert.deepEqual(others, []);
  assert.deepEqual(
    [utf8?.message, utf8?.client, utf8?.command, utf8?.reply],
    [
      'MAIL refused',
      '127.0.0.1',
      'MAIL FROM:<gr\u00f6\u00dfe@client.example>',
      '553 5.6.7 An address beyond ASCII needs SMTPUTF8 in MAIL',
    ],
  );
  assert.match(String(syntax?.reply), /^553 5\.1\.7 /);
  assert.equal(end?.message, 'no message');
  assert.deepEqual(end?.refused, [{ rcpt: '<a@b@c@d>', reply: '553 5.1.3 That is no valid recipient address' }]);
});

test('a recipient beyond ASCII without SMTPUTF8 hears what is missing, and is in the books', async () => {
  const { replies, gateway } = await told([FROM, 'RCPT TO:<j\u00f6rg@example.org>', 'QUIT']);
  assert.match(replies[1] ?? '', /^553 5\.6\.7 An address beyond ASCII needs SMTPUTF8 in MAIL/);
  const copies = gateway.records.flatMap(record => record.copies);
  assert.deepEqual(
    copies.map(({ recipient, disposition }) => [recipient.address.text, disposition.state]),
    [['j\u00f6rg@example.org', 'refused']],
  );
});

test('the line of a message names all recipients, its own id and subject, and what the next hop said', async () => {
  const subject = `Gr\u00f6\u00dfe \u001b[2J "${'x'.repeat(1000)}`;
  const { lines, gateway } = await told(
    [
      FROM,
      'RCPT TO:<one@example.org>',
      'RCPT TO:<nobody@example.org>',
      'RCPT TO:<two@example.org>',
      'DATA',
      'Subject: x\r\n\r\nhello\r\n.',
      'QUIT',
    ],
    ({ steering }) => {
      steering.hopSays.set('RCPT nobody@example.org', { code: 550, enhanced: '5.1.1', text: 'No such user' });
      steering.hopSays.set('DATA', { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 4711ABC' });
      steering.scan = async ({ id }) => ({
        version: 1,
        id,
        findings: [],
        score: 0,
        ms: {},
        rulesDigest: '',
        summary: { subject, messageId: '<one@client.example>', from: [], linkDomains: [], attachments: [] },
      });
    },
  );
  const [line, ...others] = lines;
  assert.deepEqual(others, []);
  assert.equal(line?.message, 'message');
  assert.deepEqual(line?.to, ['one@example.org', 'two@example.org']);
  assert.deepEqual([line?.messageId, line?.hop], ['<one@client.example>', 'smtp://test:25']);
  assert.equal(line?.said, '250 2.0.0 Ok: queued as 4711ABC');
  assert.equal(line?.tls, '');
  assert.ok(String(line?.subject).startsWith('Gr\u00f6\u00dfe \\x1b[2J "xxx') && String(line?.subject).length < 300);
  assert.deepEqual(
    (line?.refused as { rcpt: string }[]).map(({ rcpt }) => rcpt),
    ['nobody@example.org'],
  );
  assert.deepEqual(gateway.recipients, ['relayed', 'refused', 'relayed']);
});

test('an error whose cause says the same is told once', async () => {
  const { lines, gateway } = await told([FROM, 'RCPT TO:<user@example.org>', 'DATA', 'x\r\n.'], ({ steering }) => {
    steering.scan = async () => {
      throw new MailError('deferred', 'queue: away', { cause: new Error('queue: away') });
    };
  });
  assert.equal(lines[0]?.error, 'queue: away');
  assert.deepEqual(gateway.records[0]?.notes, ['queue: away']);
  assert.equal(lines[0]?.outcome, 'failed');
});

test('a message that is too large is refused, with the bytes that came', async () => {
  const { lines, gateway } = await told(
    [FROM, 'RCPT TO:<user@example.org>', 'DATA', `Subject: x\r\n\r\n${'x'.repeat(900)}\r\n.`],
    () => undefined,
    { guard: { ...TEST_RULES.guard, messageBytes: 500 } },
  );
  const [line] = lines;
  assert.deepEqual([line?.outcome, line?.state], ['refused', 'refused']);
  assert.ok(Number(line?.bytes) >= 500, String(line?.bytes));
  assert.match(String(line?.reply), /^552 /);
  assert.equal(gateway.counted[0]?.outcome, 'refused');
  assert.deepEqual(gateway.recipients, ['refused']);
});
