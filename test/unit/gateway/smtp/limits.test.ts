// I7: nothing lasts for ever and nothing grows without end, whatever the client does or leaves undone.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { selfSigned } from '../../../../src/platform/certificate.ts';
import { startTestGateway, TEST_RULES, type TestGateway } from '../../../support/gateway.ts';
import { LineClient } from '../../../support/smtp-script.ts';
import { waitFor } from '../../../support/wait-for.ts';

async function gatewayFor(t: TestContext, ...options: Parameters<typeof startTestGateway>): Promise<TestGateway> {
  const gateway = await startTestGateway(...options);
  t.after(() => gateway.stop());
  return gateway;
}

async function inTransaction(t: TestContext, gateway: TestGateway): Promise<LineClient> {
  const client = await LineClient.open(gateway.port);
  t.after(() => client.destroy());
  await client.reply();
  for (const line of ['HELO x.example', 'MAIL FROM:<a@b.example>', 'RCPT TO:<user@example.org>']) {
    assert.match(await client.command(line), /^250 /);
  }
  return client;
}

function rawClient(t: TestContext, gateway: TestGateway): Socket {
  const socket = connect({ port: gateway.port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

test('I7: a connection that is kept busy in an open transaction still has an end', async t => {
  const gateway = await gatewayFor(t, { connectionMs: 1500 });
  const client = await inTransaction(t, gateway);
  const busy = setInterval(() => client.write('NOOP\r\n'), 100);
  t.after(() => clearInterval(busy));
  let last = '';
  for (let line = await client.line(); line !== null; line = await client.line()) last = line;
  assert.match(last, /^421 4\.4\.2 /);
  await waitFor('the next hop is given back', () => gateway.openHops() === 0);
});

test('I7: a message that began in time may end after the connection is due', async t => {
  const gateway = await gatewayFor(t, { connectionMs: 1000 });
  const client = await inTransaction(t, gateway);
  assert.match(await client.command('DATA'), /^354 /);
  const due = Date.now() + 2500;
  await waitFor('the deadline has passed', () => Date.now() > due);
  assert.match(await client.command('Subject: late\r\n\r\n.'), /^250 2\.6\.0 /);
  assert.match((await client.line()) ?? '', /^421 4\.4\.2 /);
});

test('I7: a client that never reads its replies is not read from without end, and is cut off', async t => {
  const gateway = await gatewayFor(t, { commandMs: 1500 }, { perClient: 5, total: 5 });
  const socket = rawClient(t, gateway);
  await new Promise(resolve => socket.once('data', resolve));
  socket.pause();
  let isClosed = false;
  socket.on('close', () => {
    isClosed = true;
  });
  // A reply is longer than its command, so the way back is full long before these are through.
  const flood = Buffer.from('VRFY x\r\n'.repeat(8192));
  let sent = 0;
  const more = () => {
    while (!isClosed && sent < 2000 && socket.write(flood)) sent++;
    sent++;
  };
  socket.on('drain', more);
  more();
  await waitFor('it is cut off', () => gateway.listener.connections.size === 0);
  assert.ok(sent < 1000, `${sent} pieces of 64 KiB were taken`);
});

test('I7: a client that half closes and stays is let go', async t => {
  const gateway = await gatewayFor(t);
  const socket = connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await new Promise(resolve => socket.once('data', resolve));
  socket.end('HELO x.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\n');
  await waitFor('it is gone', () => gateway.listener.connections.size === 0 && gateway.openHops() === 0);
});

for (const [how, bytes, dripped] of [
  ['says nothing', '', ''],
  ['drips a record that never ends', '\x16\x03\x01\x02', '\x00'],
  ['talks plain SMTP', 'EHLO x.example\r\n', ''],
] as const) {
  test(`I7: a client that asks for STARTTLS and ${how} is cut off`, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const tls = await selfSigned(folder, 'mx.example.org');
    const gateway = await gatewayFor(t, { commandMs: 1000 }, { tls });
    const socket = rawClient(t, gateway);
    let heard = '';
    socket.on('data', chunk => {
      heard += chunk.toString('latin1');
    });
    let isClosed = false;
    socket.on('close', () => {
      isClosed = true;
    });
    await waitFor('greeting', () => heard.includes('220 '));
    socket.write('STARTTLS\r\n');
    await waitFor('go ahead', () => /220 2\.0\.0 /.test(heard));
    socket.write(Buffer.from(bytes, 'latin1'));
    const drip = setInterval(() => socket.write(dripped), 100);
    t.after(() => clearInterval(drip));
    await waitFor('it is cut off', () => isClosed);
    await waitFor('the place is free', () => gateway.listener.connections.size === 0);
    // The process and the listener are well.
    const client = await LineClient.open(gateway.port);
    assert.match(await client.reply(), /^220 /);
    client.destroy();
  });
}

test('a handshake that is broken off harms nobody', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const gateway = await gatewayFor(
    t,
    {},
    { tls: await selfSigned(folder, 'mx.example.org'), perClient: 50, total: 50 },
  );
  for (let round = 0; round < 20; round++) {
    const socket = rawClient(t, gateway);
    await new Promise(resolve => socket.once('data', resolve));
    socket.write('MAIL FROM:<a@b.example>\r\nSTARTTLS\r\n');
    await new Promise(resolve => socket.once('data', resolve));
    const secure = connectTls({ socket, rejectUnauthorized: false });
    secure.on('error', () => undefined);
    if (round % 2 === 0) setImmediate(() => socket.destroy());
    else secure.once('secureConnect', () => socket.resetAndDestroy());
  }
  await waitFor('all are gone', () => gateway.listener.connections.size === 0);
});

test('a stop during a handshake ends', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const gateway = await startTestGateway({}, { tls: await selfSigned(folder, 'mx.example.org') });
  const socket = rawClient(t, gateway);
  let heard = '';
  socket.on('data', chunk => {
    heard += chunk.toString('latin1');
  });
  await waitFor('greeting', () => heard.includes('220 '));
  socket.write('STARTTLS\r\n');
  await waitFor('go ahead', () => /220 2\.0\.0 /.test(heard));
  socket.write(Buffer.from('16030102', 'hex'));
  await gateway.stop();
  assert.equal(gateway.listener.connections.size, 0);
});

test('a transaction with many unknown recipients still reaches the others', async t => {
  const gateway = await gatewayFor(t, { recipients: 300 });
  const refused = { code: 550, enhanced: '5.1.1', text: 'no such user' };
  const names = Array.from({ length: 250 }, (_, n) => `u${n}@example.org`);
  for (const name of names) gateway.steering.hopSays.set(`RCPT ${name}`, refused);
  const client = await inTransaction(t, gateway);
  client.write(names.map(name => `RCPT TO:<${name}>\r\n`).join(''));
  for (const name of names) assert.match(await client.reply(), /^550 5\.1\.1 /, name);
  assert.match(await client.command('DATA'), /^354 /);
  assert.match(await client.command('Subject: x\r\n\r\n.'), /^250 2\.6\.0 /);
});

test('RFC 5321 4.5.3.1.10: recipients beyond the limit are asked to come again, however many there are', async t => {
  const gateway = await gatewayFor(t, { recipients: 100 });
  const client = await inTransaction(t, gateway);
  client.write(Array.from({ length: 999 }, (_, n) => `RCPT TO:<u${n}@example.org>\r\n`).join(''));
  for (let n = 0; n < 99; n++) assert.match(await client.reply(), /^250 2\.1\.5 /);
  for (let n = 99; n < 999; n++) assert.match(await client.reply(), /^452 4\.5\.3 /);
  assert.match(await client.command('DATA'), /^354 /);
  assert.match(await client.command('Subject: x\r\n\r\n.'), /^250 2\.6\.0 /);
  assert.equal(gateway.delivered[0]?.rcptTo.length, 100);
});

test('I7: commands without a message have an end', async t => {
  const gateway = await gatewayFor(t);
  const client = await inTransaction(t, gateway);
  const flood = setInterval(() => client.write('NOOP\r\n'.repeat(1000)), 5);
  t.after(() => clearInterval(flood));
  let count = 0;
  let last = '';
  for (let line = await client.line(); line !== null; line = await client.line(), count++) last = line;
  assert.match(last, /^421 4\.7\.0 /);
  assert.ok(count > 19_000 && count < 20_010, `${count} replies`);
});

test('I7: a message without a line end is taken in pieces, and a command without one is not kept', async t => {
  const gateway = await gatewayFor(t, { guard: { ...TEST_RULES.guard, messageBytes: 3_000_000 } });
  const client = await inTransaction(t, gateway);
  await client.command('DATA');
  client.write('x'.repeat(2_000_000));
  assert.match(await client.command('\r\n.'), /^250 2\.6\.0 /);
  client.write('y'.repeat(100_000));
  assert.match(await client.reply(), /^421 4\.5\.2 /);
  await client.closed();
});

test('I7: a connection brings so many messages and then has to connect again', async t => {
  const gateway = await gatewayFor(t, { messagesPerConnection: 1 });
  const client = await inTransaction(t, gateway);
  await client.command('DATA');
  assert.match(await client.command('Subject: x\r\n\r\n.'), /^250 2\.6\.0 /);
  assert.match(await client.command('MAIL FROM:<a@b.example>'), /^421 4\.7\.0 Enough messages/);
  await client.closed();
});
