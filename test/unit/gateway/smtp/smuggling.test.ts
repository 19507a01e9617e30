// I10: only CRLF.CRLF ends a message. The sequences of the public research, at every cut, in and out.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTestGateway } from '../../../support/gateway.ts';
import { passOver } from '../../../support/require.ts';
import { LineClient } from '../../../support/smtp-script.ts';

const SUITE = join(import.meta.dirname, '../../../../../shared/suites/smtp-smuggling.json');

/** Ours, for where the suite is absent; the suite has these and more. */
const SEQUENCES = ['\n.\n', '\n.\r\n', '\r.\r', '\r\n.\n', '\r\n.\r', '\r\r\n.\r\r\n'];

test('I10: no sequence but CRLF.CRLF ends a message, wherever the packets are cut', async () => {
  await smuggle(SEQUENCES);
});

test('I10: the public smuggling sequences end no message', async t => {
  if (!existsSync(SUITE)) {
    passOver(t, 'the smuggling suite is not here');
    return;
  }
  const suite: { neverEnd: string[] } = JSON.parse(readFileSync(SUITE, 'utf8'));
  assert.ok(suite.neverEnd.length > 10);
  await smuggle(suite.neverEnd);
});

async function smuggle(sequences: readonly string[]): Promise<void> {
  const gateway = await startTestGateway({ messagesPerConnection: 10_000 });
  const client = await LineClient.open(gateway.port);
  try {
    await client.reply();
    await client.command('HELO x.example');
    for (const sequence of sequences) {
      for (let cut = 0; cut <= sequence.length; cut++) await smuggleOne(client, sequence, cut);
    }
    for (const { bytes, mailFrom } of gateway.delivered) {
      assert.equal(mailFrom, 'honest@client.example');
      assert.doesNotMatch(bytes.toString('latin1'), /\r(?!\n)|(?<!\r)\n|\0/, 'no bare CR, LF or NUL goes on');
    }
    const expected = sequences.filter(sequence => !sequence.includes('\0'));
    assert.equal(
      gateway.delivered.length,
      expected.reduce((sum, sequence) => sum + sequence.length + 1, 0),
    );
  } finally {
    client.destroy();
    await gateway.stop();
  }
}

async function smuggleOne(client: LineClient, sequence: string, cut: number): Promise<void> {
  await client.command('MAIL FROM:<honest@client.example>');
  await client.command('RCPT TO:<user@example.org>');
  assert.match(await client.command('DATA'), /^354/);
  client.write(`Subject: x\r\n\r\nfirst${sequence.slice(0, cut)}`);
  await new Promise(resolve => setImmediate(resolve));
  client.write(`${sequence.slice(cut)}MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n`);
  client.write('Subject: smuggled\r\n\r\n\r\n.\r\n');
  const reply = await client.reply();
  assert.match(reply, sequence.includes('\0') ? /^550 5\.6\.0/ : /^250 2\.6\.0/, JSON.stringify(sequence));
  // Were anything smuggled, its replies would come now, before this one.
  assert.match(await client.command('VRFY me'), /^252 /);
}
