// Too much of everything in one dialogue: lines that are too long, NULs and 8-bit octets wherever a line has a place for
// them, thousands of bad commands, of recipients, of parameters. Each is answered within its bounds or sent away, the
// books stay whole, and somebody else's mail passes meanwhile.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTestGateway, TEST_RULES, type TestGateway } from '../support/gateway.ts';
import { LineClient } from '../support/smtp-script.ts';
import { count, IS_LONG } from './report.ts';

const HELLO = ['EHLO c.example'];
const MAIL = [...HELLO, 'MAIL FROM:<a@client.example>'];
const RCPT = [...MAIL, 'RCPT TO:<user@example.org>'];
/** As COMMAND_LINE_MAX: the line without its LF. */
const LINE_MAX = 2048;
const MANY = IS_LONG ? 10_000 : 2000;

async function gatewayFor(t: TestContext, rules: Parameters<typeof startTestGateway>[0] = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(rules, { perClient: 200, total: 200 });
  t.after(async () => {
    await gateway.stop();
    assert.equal(gateway.openHops(), 0);
    assert.equal(gateway.spooled.size, 0);
    assert.deepEqual(gateway.misused, []);
  });
  return gateway;
}

async function clientIn(gateway: TestGateway, lines: readonly string[]): Promise<LineClient> {
  const client = await LineClient.open(gateway.port);
  await client.reply();
  for (const line of lines) assert.match(await client.command(line), /^250/);
  return client;
}

/** A whole message of another client. */
async function othersAreServed(gateway: TestGateway): Promise<void> {
  const client = await clientIn(gateway, RCPT);
  assert.match(await client.command('DATA'), /^354 /);
  assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 2\.6\.0 /);
  client.destroy();
}

const LINES: readonly [what: string, start: string][] = [
  ['a verb', ''],
  ['EHLO', 'EHLO '],
  ['MAIL', 'MAIL FROM:<'],
  ['RCPT', 'RCPT TO:<'],
  ['parameters', 'MAIL FROM:<> '],
  ['NOOP', 'NOOP '],
];

test('a line of any length has one answer, or is the last', async t => {
  const gateway = await gatewayFor(t);
  const lengths = [LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 2 * LINE_MAX, 1024 * 1024];
  await Promise.all(
    LINES.flatMap(([what, start]) =>
      lengths.map(async length => {
        const client = await clientIn(gateway, start.startsWith('RCPT') ? MAIL : HELLO);
        const line = start.padEnd(length - 1, 'x');
        client.write(`${line}\r\n`);
        const reply = await client.reply();
        if (length <= LINE_MAX) {
          assert.match(reply, /^(?:[25]\d\d) /, `${what} of ${length}: ${reply}`);
          assert.match(await client.command('VRFY marker'), /^252 /, what);
        } else {
          assert.match(reply, /^421 4\.5\.2 /, `${what} of ${length}: ${reply}`);
          assert.equal(await client.line(), null, what);
        }
        client.destroy();
      }),
    ),
  );
  await othersAreServed(gateway);
  count('overlong lines', LINES.length * lengths.length);
});

test('a line without an end is not kept for ever', async t => {
  const gateway = await gatewayFor(t);
  const client = await clientIn(gateway, []);
  client.write('NOOP ');
  for (let n = 0; n < 100; n++) client.write('x'.repeat(50));
  assert.match(await client.reply(), /^421 4\.5\.2 /);
  assert.equal(await client.line(), null);
  client.destroy();
  count('overlong lines');
});

test('NUL, bare CR, bare LF at every place of every command: never run, always answered once', async t => {
  const gateway = await gatewayFor(t);
  const commands: readonly [before: readonly string[], line: string][] = [
    [[], 'EHLO c.example'],
    [HELLO, 'MAIL FROM:<b@client.example> SIZE=1'],
    [MAIL, 'RCPT TO:<user@example.org>'],
    [RCPT, 'DATA'],
    [RCPT, 'RSET'],
    [RCPT, 'QUIT'],
    [HELLO, 'STARTTLS'],
  ];
  let tried = 0;
  for (const [before, line] of commands) {
    for (const odd of ['\0', '\r', '\r\r']) {
      const step = IS_LONG ? 1 : 3;
      const places = Array.from({ length: Math.ceil((line.length + 1) / step) }, (_, n) => n * step);
      await Promise.all(
        places.map(async at => {
          const client = await clientIn(gateway, before);
          const what = `${JSON.stringify(odd)} at ${at} of ${line}`;
          const reply = await client.command(line.slice(0, at) + odd + line.slice(at));
          assert.match(reply, /^500 5\.5\.2 Lines end/, `${what}: ${reply}`);
          assert.match(await client.command('VRFY marker'), /^252 /, what);
          client.destroy();
        }),
      );
      tried += places.length;
    }
  }
  await othersAreServed(gateway);
  count('NUL and bare CR in commands', tried);
});

test('every 8-bit octet and every control in verb, name, address and parameter is answered once', async t => {
  const gateway = await gatewayFor(t);
  const octets = Array.from({ length: 256 }, (_, octet) => octet).filter(
    octet => (octet < 32 || octet > 126) && ![0, 10, 13].includes(octet),
  );
  const forms: readonly [what: string, make: (octet: string) => string, replies: RegExp][] = [
    ['a verb', octet => `NO${octet}OP`, /^50[01] 5\.5\.[24] |^250 2\.0\.0 |^421 /],
    ['a HELO name', octet => `HELO c${octet}.example`, /^501 5\.5\.4 /],
    ['a sender', octet => `MAIL FROM:<a${octet}b@client.example>`, /^553 5\.1\.7 /],
    ['a quoted sender', octet => `MAIL FROM:<"a${octet}b"@client.example>`, /^553 5\.1\.7 /],
    ['a domain', octet => `MAIL FROM:<a@cli${octet}ent.example> SMTPUTF8`, /^553 5\.1\.7 /],
    ['a parameter', octet => `MAIL FROM:<> SI${octet}ZE=1`, /^501 5\.5\.4 |^555 5\.5\.4 /],
    ['a value', octet => `MAIL FROM:<> BODY=7${octet}BIT`, /^501 5\.5\.4 |^555 5\.5\.4 /],
  ];
  for (const [what, make, replies] of forms) {
    const left = [...octets];
    await Promise.all(
      Array.from({ length: 24 }, async () => {
        const client = await clientIn(gateway, HELLO);
        // Seven, for ten lines that are no commands are the end.
        for (const octet of left.splice(0, 7)) {
          client.write(Buffer.from(`${make(String.fromCharCode(octet))}\r\n`, 'latin1'));
          const reply = await client.reply();
          assert.match(reply, replies, `octet ${octet} in ${what}: ${reply}`);
        }
        assert.match(await client.command('VRFY marker'), /^252 /, what);
        client.destroy();
      }),
    );
    assert.equal(left.length, 0);
    count('8-bit octets and controls in commands', octets.length);
  }
});

/** Sent again and again in one connection, all at once: the most that may be answered, and how it ends. */
const FLOODS: readonly [what: string, before: readonly string[], line: (n: number) => string, most: number][] = [
  ['what is no command', HELLO, n => `JUNK${n}`, 10],
  ['what is not implemented', HELLO, n => `EXPN ${n}`, 101],
  ['commands out of sequence', HELLO, () => 'RCPT TO:<user@example.org>', 101],
  ['commands before HELO', [], () => 'MAIL FROM:<>', 101],
  ['bad addresses', HELLO, n => `MAIL FROM:<a b${n}@client.example>`, 101],
  ['bad parameters', HELLO, n => `MAIL FROM:<> X${n}=1`, 101],
  ['bare CR in lines', HELLO, n => `NOOP\r${n}`, 101],
  ['nested MAIL', MAIL, n => `MAIL FROM:<a${n}@client.example>`, 101],
  ['DATA without recipients', MAIL, () => 'DATA', 101],
  ['STARTTLS where there is none', HELLO, () => 'STARTTLS', 101],
];

for (const [what, before, line, most] of FLOODS) {
  test(`thousands of lines with ${what} end after ${most}`, async t => {
    const gateway = await gatewayFor(t);
    const client = await clientIn(gateway, before);
    client.write(Array.from({ length: MANY }, (_, n) => `${line(n)}\r\n`).join(''));
    let answered = 0;
    let last = '';
    for (let reply = await client.line(); reply !== null; reply = await client.line()) {
      answered++;
      last = reply;
      assert.match(reply, /^[45]\d\d [45]\.\d\.\d /);
    }
    client.destroy();
    // DATA with more behind it is out of step at once.
    assert.match(last, /^421 4\.[57]\.0 /, `${answered}: ${last}`);
    assert.ok(answered <= most, `${answered} answers`);
    await othersAreServed(gateway);
    count('thousands of bad commands', MANY);
  });
}

/** Not wrong, and endless: bounded by the commands of a connection. */
for (const [what, line] of [
  ['NOOP', 'NOOP'],
  ['RSET', 'RSET'],
  ['VRFY', 'VRFY somebody'],
  ['HELP', 'HELP'],
  ['EHLO', 'EHLO again.example'],
] as const) {
  test(`thousands of ${what} are answered one by one, up to the limit of a connection`, async t => {
    const gateway = await gatewayFor(t);
    const client = await clientIn(gateway, HELLO);
    const sent = IS_LONG ? 25_000 : MANY;
    client.write(`${line}\r\n`.repeat(sent));
    client.write('QUIT\r\n');
    let answered = 0;
    let last = '';
    for (let reply = await client.reply(); reply !== ''; reply = await client.reply()) {
      answered++;
      last = reply;
    }
    client.destroy();
    if (IS_LONG) {
      assert.match(last, /^421 4\.7\.0 /);
      assert.equal(answered, 20_000);
    } else {
      assert.match(last, /^221 2\.0\.0 /);
      assert.equal(answered, sent + 1);
    }
    count('thousands of idle commands', sent);
  });
}

test('a thousand recipients are taken, more are asked to come again, and the message goes to all that were', async t => {
  const gateway = await gatewayFor(t, { recipients: 1000 });
  const client = await clientIn(gateway, MAIL);
  const lines = Array.from({ length: MANY }, (_, n) => `RCPT TO:<user${n}@example.org>\r\n`);
  client.write(lines.join(''));
  const codes = new Map<string, number>();
  for (let n = 0; n < MANY; n++) {
    const reply = (await client.reply()).slice(0, 9);
    codes.set(reply, (codes.get(reply) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(codes), { '250 2.1.5': 1000, '452 4.5.3': MANY - 1000 });
  assert.match(await client.command('DATA'), /^354 /);
  assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 2\.6\.0 /);
  client.destroy();
  assert.equal(gateway.delivered[0]?.rcptTo.length, 1000);
  assert.equal(gateway.records[0]?.copies.length, 1000);
  count('thousands of recipients', MANY);
});

test('thousands of recipients that are not ours are refused, then asked to come again', async t => {
  const gateway = await gatewayFor(t);
  const client = await clientIn(gateway, MAIL);
  client.write(Array.from({ length: MANY }, (_, n) => `RCPT TO:<u${n}@elsewhere.example>\r\n`).join(''));
  for (let n = 0; n < MANY; n++) {
    assert.match(await client.reply(), n < TEST_RULES.recipients ? /^550 5\.7\.1 / : /^452 4\.5\.3 /);
  }
  // One refusal more than one transaction can have.
  assert.match(await client.command('DATA'), /^421 4\.7\.0 /);
  client.destroy();
  await othersAreServed(gateway);
  count('thousands of recipients', MANY);
});

test('the same recipient thousands of times is one', async t => {
  const gateway = await gatewayFor(t);
  const client = await clientIn(gateway, MAIL);
  client.write('RCPT TO:<user@example.org>\r\n'.repeat(MANY));
  for (let n = 0; n < MANY; n++) assert.match(await client.reply(), /^250 2\.1\.5 /);
  assert.match(await client.command('DATA'), /^354 /);
  assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 2\.6\.0 /);
  client.destroy();
  assert.deepEqual(gateway.delivered[0]?.rcptTo, ['user@example.org']);
  assert.equal(gateway.records[0]?.copies.length, 1);
  count('thousands of recipients', MANY);
});

test('recipients that the next hop refuses, thousands: bounded, and in the books', async t => {
  const gateway = await gatewayFor(t, { recipients: 1000 });
  for (let n = 0; n < MANY; n++) {
    gateway.steering.hopSays.set(`RCPT user${n}@example.org`, { code: 550, enhanced: '5.1.1', text: 'unknown' });
  }
  const client = await clientIn(gateway, MAIL);
  client.write(Array.from({ length: MANY }, (_, n) => `RCPT TO:<user${n}@example.org>\r\n`).join(''));
  let refused = 0;
  for (let reply = await client.line(); reply?.startsWith('550 5.1.1'); reply = await client.line()) refused++;
  client.destroy();
  assert.ok(refused >= 999 && refused <= 1001, `${refused} refusals`);
  await othersAreServed(gateway);
  const books = gateway.records.find(record => record.copies.length > 1);
  assert.equal(books?.copies.length, 1000);
  assert.deepEqual(new Set(books?.copies.map(copy => copy.disposition.state)), new Set(['refused']));
  count('thousands of recipients', MANY);
});

test('as many parameters as a line can hold are refused as one', async t => {
  const gateway = await gatewayFor(t);
  const forms = [' X=1', ' SIZE=1', ' SIZE', ' SMTPUTF8', ' BODY=7BIT', ' =', ' a', '\t\t\t', ' <>'];
  for (const form of forms) {
    for (const head of ['MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>']) {
      const client = await clientIn(gateway, head.startsWith('RCPT') ? MAIL : HELLO);
      const line = head + form.repeat(Math.floor((LINE_MAX - 1 - head.length) / form.length));
      const reply = await client.command(line);
      assert.match(reply, form.trim() === '' ? /^250 / : /^50[1] 5\.5\.4 |^555 5\.5\.4 /, `${form}: ${reply}`);
      assert.match(await client.command('VRFY marker'), /^252 /);
      client.destroy();
    }
  }
  count('lines full of parameters', forms.length * 2);
});

test('commands in DATA are content, whatever they say', async t => {
  const gateway = await gatewayFor(t);
  const lines = [
    'RSET',
    'QUIT',
    'MAIL FROM:<evil@client.example>',
    'DATA',
    'STARTTLS',
    'BDAT 3 LAST',
    '..',
    '.x',
    ' .',
    '.\t',
  ];
  const client = await clientIn(gateway, RCPT);
  assert.match(await client.command('DATA'), /^354 /);
  for (const line of lines) client.write(`${line}\r\n`);
  assert.match(await client.command('.'), /^250 2\.6\.0 /);
  assert.match(await client.command('VRFY marker'), /^252 /);
  client.destroy();
  const body = gateway.delivered[0]?.bytes.toString() ?? '';
  const expected = lines.map(line => (line === '..' ? '.' : line)).join('\r\n');
  assert.ok(body.endsWith(`${expected}\r\n`), body);
  count('commands in DATA', lines.length);
});

test('what follows a BDAT is not run, in the same packet or in a later one', async t => {
  const gateway = await gatewayFor(t);
  const evil = 'RSET\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nx\r\n.\r\n';
  for (const line of ['BDAT 100 LAST', 'bdat 100', 'BDAT', 'BDAT 99999999999999999999']) {
    for (const isLater of [false, true]) {
      const client = await clientIn(gateway, RCPT);
      client.write(`${line}\r\n${isLater ? '' : evil}`);
      assert.match(await client.reply(), /^421 4\.5\.0 /);
      if (isLater) client.write(evil);
      assert.equal(await client.line(), null);
      client.destroy();
      count('commands in BDAT');
    }
  }
  assert.equal(gateway.delivered.length, 0);
});

test('who talks before the greeting is sent away, in whole lines or in parts of them', async t => {
  const gateway = await gatewayFor(t, { greetMs: 3000 });
  const early = ['EHLO c.example\r\n', 'EHLO c.example\n', '\r\n', '\0\r\n', 'GET / HTTP/1.1\r\n', 'x'.repeat(5000)];
  for (const text of early) {
    const client = await LineClient.open(gateway.port);
    client.write(text);
    const first = await client.reply();
    assert.match(first, /^421 4\.5\.[12] /, `${JSON.stringify(text.slice(0, 20))}: ${first}`);
    assert.equal(await client.line(), null);
    client.destroy();
  }
  await othersAreServed(gateway);
  count('before the greeting', early.length);
});
