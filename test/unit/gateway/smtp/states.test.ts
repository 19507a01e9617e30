// Every command in every state: one reply each, and afterwards a whole transaction passes and nothing is left behind.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Steering, startTestGateway, type TestGateway } from '../../../support/gateway.ts';
import { LineClient } from '../../../support/smtp-script.ts';

/** What brings a new connection into the state; the replies must be good up to the last. */
const STATES: Readonly<Record<string, readonly string[]>> = {
  connected: [],
  EHLO: ['EHLO c.example'],
  HELO: ['HELO c.example'],
  MAIL: ['EHLO c.example', 'MAIL FROM:<a@client.example>'],
  RCPT: ['EHLO c.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>'],
  'refused RCPT': ['EHLO c.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<u@elsewhere.example>'],
  'refused DATA': ['EHLO c.example', 'MAIL FROM:<a@client.example>', 'DATA'],
};

/** The expected code in each state, in the order of STATES. */
const COMMANDS: readonly [command: string, codes: string][] = [
  ['EHLO again.example', '250 250 250 250 250 250 250'],
  ['HELO again.example', '250 250 250 250 250 250 250'],
  ['EHLO', '501 501 501 501 501 501 501'],
  ['EHLO two names', '501 501 501 501 501 501 501'],
  ['MAIL FROM:<b@client.example>', '503 250 250 503 503 503 503'],
  ['RCPT TO:<other@example.org>', '503 503 503 250 250 250 250'],
  ['DATA', '503 503 503 554 354 554 554'],
  ['DATA now', '501 501 501 501 501 501 501'],
  ['RSET', '250 250 250 250 250 250 250'],
  ['NOOP', '250 250 250 250 250 250 250'],
  ['NOOP with words', '250 250 250 250 250 250 250'],
  ['VRFY user', '252 252 252 252 252 252 252'],
  ['VRFY', '501 501 501 501 501 501 501'],
  ['EXPN list', '502 502 502 502 502 502 502'],
  ['HELP', '214 214 214 214 214 214 214'],
  ['AUTH PLAIN AGEAYg==', '502 502 502 502 502 502 502'],
  ['BDAT 10 LAST', '421 421 421 421 421 421 421'],
  ['STARTTLS', '502 502 502 502 502 502 502'],
  ['', '500 500 500 500 500 500 500'],
  ['\u00ff\u00fe', '500 500 500 500 500 500 500'],
  ['constructor', '500 500 500 500 500 500 500'],
  ['QUIT', '221 221 221 221 221 221 221'],
];

for (const [command, codes] of COMMANDS) {
  test(`${JSON.stringify(command)} has one reply in every state, and harms nothing`, async () => {
    const gateway = await startTestGateway({}, { perClient: 100, total: 100 });
    try {
      const expected = codes.split(' ');
      const states = Object.values(STATES).map((before, index) =>
        runIn(gateway, [...before, command], expected[index] ?? ''),
      );
      await Promise.all(states);
    } finally {
      await gateway.stop();
    }
    assert.deepEqual(gateway.misused, []);
    assert.equal(gateway.openHops(), 0);
    assert.equal(gateway.spooled.size, 0);
  });
}

async function runIn(
  gateway: TestGateway,
  lines: readonly string[],
  code: string,
  again: string | null = 'HELO c.example',
): Promise<void> {
  const client = await LineClient.open(gateway.port);
  try {
    await client.reply();
    let last = '';
    for (const line of lines) last = await client.command(line);
    assert.equal(last.slice(0, 3), code, `${lines.join(' | ')}: ${last}`);
    assert.match(last, /^(?:354 |2\d\d(?:-| mx| 2\.\d\.\d )|[45]\d\d [45]\.\d+\.\d+ )/, 'an enhanced status on each');
    if (code === '221' || code === '421') return await client.closed();
    if (code === '354') assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 2\.6\.0 /);
    if (again !== null) assert.match(await client.command(again), /^250 /, 'nothing but its own reply came');
    for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>']) {
      assert.match(await client.command(line), /^250 /);
    }
    assert.match(await client.command('DATA'), /^354 /);
    assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 2\.6\.0 /);
  } finally {
    client.destroy();
  }
}

/** Ends of a transaction with an accepted and a refused recipient, and the state of the accepted one in the books. */
const ENDS: readonly [how: string, command: string, steer: (steering: Steering) => void, state: string][] = [
  ['RSET', 'RSET', () => undefined, 'abandoned'],
  ['EHLO', 'EHLO again.example', () => undefined, 'abandoned'],
  ['QUIT', 'QUIT', () => undefined, 'abandoned'],
  ['a message', 'DATA\r\nx\r\n.', () => undefined, 'relayed'],
  ['a message that is held', 'DATA\r\nx\r\n.', steering => Object.assign(steering, { score: 9 }), 'held'],
  ['a message that is refused', 'DATA\r\nx\r\n.', steering => Object.assign(steering, { score: 20 }), 'refused'],
  [
    'a hold that fails',
    'DATA\r\nx\r\n.',
    steering => Object.assign(steering, { score: 9, holdFails: true }),
    'deferred',
  ],
  ['a hop that is silent', 'DATA\r\nx\r\n.', s => Object.assign(s, { hopTrouble: 'silent after the dot' }), 'unknown'],
];

for (const [how, command, steer, state] of ENDS) {
  test(`I4: a transaction that ends with ${how} has one record that names all its recipients`, async () => {
    const gateway = await startTestGateway();
    steer(gateway.steering);
    const client = await LineClient.open(gateway.port);
    try {
      await client.reply();
      for (const line of ['HELO c.example', 'MAIL FROM:<a@client.example>']) await client.command(line);
      await client.command('RCPT TO:<nobody@elsewhere.example>');
      await client.command('RCPT TO:<user@example.org>');
      client.write(`${command}\r\n`);
      await client.reply();
      if (command.startsWith('DATA')) await client.reply();
    } finally {
      client.destroy();
      await gateway.stop();
    }
    const books = [...gateway.records, ...gateway.held];
    assert.equal(books.length, 1);
    assert.deepEqual(
      books[0]?.copies.map(copy => [copy.recipient.address.text, copy.disposition.state]),
      [
        ['user@example.org', state],
        ['nobody@elsewhere.example', 'refused'],
      ],
    );
    assert.equal(gateway.openHops(), 0);
    assert.equal(gateway.spooled.size, 0);
  });
}

test('I10: content that was sent behind a refused DATA is not run as commands', async () => {
  const gateway = await startTestGateway();
  const client = await LineClient.open(gateway.port);
  try {
    await client.reply();
    await client.command('HELO c.example');
    const content =
      'Subject: x\r\n\r\nMAIL FROM:<evil@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\nx\r\n.\r\n';
    client.write(`MAIL FROM:<a@client.example>\r\nRCPT TO:<u@elsewhere.example>\r\nDATA\r\n${content}`);
    const replies: (string | null)[] = [];
    for (let line = await client.line(); line !== null; line = await client.line()) replies.push(line.slice(0, 9));
    assert.deepEqual(replies, ['250 2.1.0', '550 5.7.1', '554 5.5.1', '421 4.5.0']);
    assert.equal(gateway.delivered.length, 0);
  } finally {
    client.destroy();
    await gateway.stop();
  }
});

for (const [lines, protocol] of [
  [['HELO c.example', 'EHLO two names', 'LHLO c.example'], 'SMTP'],
  [['EHLO c.example', 'HELO', 'LHLO c.example'], 'ESMTP'],
] as const) {
  test(`a greeting that is refused does not change the protocol: ${protocol}`, async () => {
    const gateway = await startTestGateway();
    try {
      await runIn(gateway, lines, '502', null);
    } finally {
      await gateway.stop();
    }
    assert.match(gateway.delivered[0]?.bytes.toString() ?? '', new RegExp(`\\bwith ${protocol} id`));
  });
}

test('I10: two messages in one packet are two messages, byte for byte', async () => {
  const gateway = await startTestGateway();
  const client = await LineClient.open(gateway.port);
  try {
    await client.reply();
    const one = (n: number) =>
      `MAIL FROM:<a${n}@client.example>\r\nRCPT TO:<user${n}@example.org>\r\nDATA\r\nSubject: ${n}\r\n\r\n..${n}\r\n.\r\n`;
    client.write(`HELO c.example\r\n${one(1)}${one(2)}QUIT\r\n`);
    for (const code of ['250', '250', '250', '354', '250', '250', '250', '354', '250', '221']) {
      assert.equal((await client.reply()).slice(0, 3), code);
    }
    await client.closed();
  } finally {
    client.destroy();
    await gateway.stop();
  }
  assert.deepEqual(
    gateway.delivered.map(({ mailFrom, rcptTo, bytes }) => [
      mailFrom,
      rcptTo,
      bytes.toString().split('\r\n').slice(-4),
    ]),
    [1, 2].map(n => [`a${n}@client.example`, [`user${n}@example.org`], [`Subject: ${n}`, '', `.${n}`, '']]),
  );
});

test('I6: what another server might take apart into a second address is refused', async () => {
  const gateway = await startTestGateway();
  const client = await LineClient.open(gateway.port);
  const probes: readonly [path: string, code: string][] = [
    ['victim%elsewhere.example@example.org', '550 5.7.1'],
    ['elsewhere.example!victim@example.org', '550 5.7.1'],
    ['"victim@elsewhere.example"@example.org', '550 5.7.1'],
    ['"victim%elsewhere.example"@example.org', '550 5.7.1'],
    ['victim%elsewhere.example%other.example@example.org', '550 5.7.1'],
    ['victim@elsewhere.example@example.org', '553 5.1.3'],
    ['@example.org:victim@elsewhere.example', '550 5.7.1'],
    ['@a.example,@example.org:victim@elsewhere.example', '550 5.7.1'],
    ['victim@sub.example.org', '550 5.7.1'],
    ['victim@example.org.elsewhere.example', '550 5.7.1'],
    ['victim@notexample.org', '550 5.7.1'],
    ['victim@[127.0.0.1]', '550 5.7.1'],
    ['victim@[IPv6:::1]', '550 5.7.1'],
    ['victim@2130706433', '550 5.7.1'],
    ['victim@localhost', '550 5.7.1'],
    ['victim', '553 5.1.3'],
    ['victim@', '553 5.1.3'],
    ['victim@example.org\t', '553 5.1.3'],
    ['victim@\u0435xample.org', '553 5.6.7'],
    ['victim@example。org', '553 5.6.7'],
    ['user@EXAMPLE.org.', '250 2.1.5'],
    ['@elsewhere.example:user@example.org', '250 2.1.5'],
    ['postmaster', '250 2.1.5'],
  ];
  try {
    await client.reply();
    await client.command('HELO relay.example');
    for (const [path, code] of probes) {
      await client.command('MAIL FROM:<a@client.example>');
      assert.equal((await client.command(`RCPT TO:<${path}>`)).slice(0, 9), code, path);
      await client.command('RSET');
    }
  } finally {
    client.destroy();
    await gateway.stop();
  }
});

test('I6: a trusted listener leaves such addresses to its next hop', async () => {
  const gateway = await startTestGateway({}, { trusted: true, networks: ['127.0.0.0/8'] });
  const client = await LineClient.open(gateway.port);
  try {
    await client.reply();
    await client.command('HELO inside.example');
    await client.command('MAIL FROM:<user@example.org>');
    assert.match(await client.command('RCPT TO:<a%b@elsewhere.example>'), /^250 /);
  } finally {
    client.destroy();
    await gateway.stop();
  }
});

test('I5: no reply of the library names what is inside', async () => {
  const gateway = await startTestGateway();
  const lines = ['GET / HTTP/1.1', 'POST /x HTTP/1.0', ...Array.from({ length: 12 }, (_, n) => `JUNK${n}`)];
  try {
    for (const first of lines.slice(0, 3)) {
      const client = await LineClient.open(gateway.port);
      const heard = [await client.reply()];
      for (const line of [first, ...lines.slice(3)]) {
        const reply = await client.command(line);
        if (reply === '') break;
        heard.push(reply);
      }
      client.destroy();
      assert.match(heard.at(-1) ?? '', /^421 4\./, 'the last word before the end');
      for (const reply of heard.slice(1)) {
        assert.match(reply, /^(?:421 4|500 5)\.\d\.\d /);
        assert.doesNotMatch(reply, /smtp-server|node|redis|clam|postern|\/|Error: .*Error/i);
      }
    }
  } finally {
    await gateway.stop();
  }
});
