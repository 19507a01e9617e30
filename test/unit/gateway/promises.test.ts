// What a client was promised: a reply in time after its dot, and what EHLO offered.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HopCapabilities } from '../../../src/mail/ports.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { LineClient } from '../../support/smtp-script.ts';

const ALL: HopCapabilities = { sizeBytes: null, eightBitMime: true, smtpUtf8: true };

async function clientOf(t: TestContext, gateway: TestGateway): Promise<LineClient> {
  t.after(() => gateway.stop());
  const client = await LineClient.open(gateway.port);
  t.after(() => client.destroy());
  await client.reply();
  return client;
}

test('a next hop that takes for ever: 451 before the sender gives up, and nothing was passed on', async t => {
  const gateway = await startTestGateway({ replyMs: 300 });
  const client = await clientOf(t, gateway);
  const held = Promise.withResolvers<void>();
  gateway.steering.at = at => (at === 'DATA' ? held.promise : Promise.resolve());
  for (const line of ['HELO c.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>', 'DATA']) {
    assert.match(await client.command(line), /^[23]/);
  }
  assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^451 /);
  held.resolve();
  assert.equal(gateway.delivered.length, 0);
  assert.deepEqual(
    gateway.records.flatMap(({ copies }) => copies.map(copy => copy.disposition.state)),
    ['deferred'],
  );
});

test('a scan ends early enough for the message to be passed on in time', async t => {
  const gateway = await startTestGateway({ replyMs: 1000, scanMs: 60_000 });
  const client = await clientOf(t, gateway);
  let left = 0;
  gateway.steering.scanUntil = deadline => {
    left = deadline - Date.now();
  };
  for (const line of ['HELO c.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>', 'DATA']) {
    await client.command(line);
  }
  assert.match(await client.command('Subject: x\r\n\r\nx\r\n.'), /^250 /);
  assert.ok(left <= 800, `${left} ms`);
});

for (const [what, parameters, lacks] of [
  ['8BITMIME', 'BODY=8BITMIME', { eightBitMime: false }],
  ['SMTPUTF8', 'SMTPUTF8', { smtpUtf8: false }],
] as const) {
  test(`${what} that EHLO offered and the next hop turns out to lack is 451, no permanent refusal`, async t => {
    const gateway = await startTestGateway();
    const client = await clientOf(t, gateway);
    assert.match(await client.command('EHLO c.example'), new RegExp(what));
    // Another host stands in from now on, which was seen by a health check meanwhile.
    gateway.steering.opened = { ...ALL, ...lacks };
    gateway.steering.capabilities = { ...ALL, ...lacks };
    assert.match(await client.command(`MAIL FROM:<a@client.example> ${parameters}`), /^250 /);
    assert.match(await client.command('RCPT TO:<user@example.org>'), /^451 4\.3\.3 /);
    assert.equal(gateway.openHops(), 1);
    await client.command('RSET');
    assert.equal(gateway.openHops(), 0);
  });
}
