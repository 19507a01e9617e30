// What the listener does beyond single dialogues: limits by address, deadlines, TLS, shutdown, hostile line streams.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
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

async function clientOf(t: TestContext, gateway: TestGateway, address = '127.0.0.1'): Promise<LineClient> {
  const client = await LineClient.open(gateway.port, address);
  t.after(() => client.destroy());
  return client;
}

test('connections of one address are limited, and others are served meanwhile', async t => {
  const gateway = await gatewayFor(t);
  const clients = [await clientOf(t, gateway, '127.0.0.5'), await clientOf(t, gateway, '127.0.0.5')];
  for (const client of clients) assert.match(await client.reply(), /^220 /);
  const third = await clientOf(t, gateway, '127.0.0.5');
  assert.match(await third.reply(), /^421 4\.7\.0 /);
  await third.closed();
  const other = await clientOf(t, gateway, '127.0.0.6');
  assert.match(await other.reply(), /^220 /);
  clients[0]?.destroy();
  await waitFor('the place is free again', async () => {
    const again = await LineClient.open(gateway.port, '127.0.0.5');
    const greeting = await again.reply();
    again.destroy();
    return greeting.startsWith('220 ');
  });
});

test('the number of all connections is limited', async t => {
  const gateway = await gatewayFor(t);
  for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']) {
    assert.match(await (await clientOf(t, gateway, address)).reply(), /^220 /);
  }
  assert.match(await (await clientOf(t, gateway, '127.0.0.9')).reply(), /^421 4\.7\.0 /);
});

test('an address over its connection rate is told so', async t => {
  const gateway = await gatewayFor(t);
  gateway.steering.mayNot = 'connection';
  assert.match(await (await clientOf(t, gateway)).reply(), /^421 4\.7\.0 /);
});

test('a trusted listener turns away who is in none of its networks', async t => {
  const closed = await gatewayFor(t, {}, { trusted: true, networks: ['10.0.0.0/8', '::1'] });
  assert.match(await (await clientOf(t, closed)).reply(), /^554 5\.7\.1 /);
  const open = await gatewayFor(t, {}, { trusted: true, networks: ['127.0.0.0/8'] });
  const client = await clientOf(t, open);
  assert.match(await client.reply(), /^220 /);
  await client.command('HELO inside.example');
  await client.command('MAIL FROM:<user@example.org>');
  assert.match(await client.command('RCPT TO:<anyone@elsewhere.example>'), /^250 /);
});

test('a command that drips in byte by byte meets its deadline', async t => {
  const gateway = await gatewayFor(t, { commandMs: 1500 });
  const client = await clientOf(t, gateway);
  await client.reply();
  const drip = setInterval(() => client.write('N'), 200);
  t.after(() => clearInterval(drip));
  assert.match(await client.reply(), /^421 4\.4\.2 /);
  await client.closed();
});

test('a message that drips in meets the least rate', async t => {
  const intake = { ...TEST_RULES.intake, minimumRate: 100, rateWindowMs: 500 };
  const gateway = await gatewayFor(t, { intake });
  const client = await inData(t, gateway);
  const drip = setInterval(() => client.write('x'), 100);
  t.after(() => clearInterval(drip));
  assert.match(await client.reply(), /^421 4\.4\.2 Data arrives too slowly/);
  await client.closed();
  await waitFor('the spool is empty', () => gateway.spooled.size === 0);
});

test('a message that takes too long as a whole meets its deadline, however fast it comes', async t => {
  const gateway = await gatewayFor(t, { intake: { ...TEST_RULES.intake, dataMs: 500 } });
  const client = await inData(t, gateway);
  const flow = setInterval(() => client.write('x'.repeat(100)), 20);
  t.after(() => clearInterval(flow));
  assert.match(await client.reply(), /^421 4\.4\.2 Timeout/);
});

test('a client that goes on after the limit is cut off', async t => {
  const guard = { ...TEST_RULES.guard, messageBytes: 1000 };
  const gateway = await gatewayFor(t, { guard, intake: { ...TEST_RULES.intake, drainBytes: 100_000 } });
  const client = await inData(t, gateway);
  const flow = setInterval(() => client.write('x'.repeat(50_000)), 5);
  t.after(() => clearInterval(flow));
  assert.match(await client.reply(), /^552 5\.3\.4 /);
  await client.closed();
});

test('a client that goes away in the middle of DATA leaves nothing behind, and nothing is passed on', async t => {
  const gateway = await gatewayFor(t);
  const client = await inData(t, gateway);
  client.write('Subject: half\r\n\r\nhal');
  await waitFor('bytes arrived', () => gateway.spooled.size === 1);
  client.destroy();
  await waitFor('all is given back', () => gateway.spooled.size === 0 && gateway.openHops() === 0);
  assert.equal(gateway.delivered.length, 0);
  await waitFor('the books say abandoned', () => gateway.records.length === 1);
  assert.equal(gateway.records[0]?.copies[0]?.disposition.state, 'abandoned');
});

test('a client that goes away during the scan gets nothing passed on', async t => {
  const gateway = await gatewayFor(t);
  const scanning = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const plain = gateway.steering.scan;
  assert.equal(plain, null);
  gateway.steering.scan = async entry => {
    scanning.resolve();
    await mayEnd.promise;
    return { version: 1, id: entry.id, findings: [], score: 0, ms: {}, rulesDigest: '', summary: null };
  };
  const client = await inData(t, gateway);
  client.write('Subject: x\r\n\r\n.\r\n');
  await scanning.promise;
  client.destroy();
  await waitFor('the listener saw it', () => gateway.listener.connections.size === 0);
  mayEnd.resolve();
  await waitFor('the books are written', () => gateway.records.length === 1);
  assert.equal(gateway.delivered.length, 0);
  assert.equal(gateway.records[0]?.copies[0]?.disposition.state, 'abandoned');
});

test('who talks before the greeting is sent away', async t => {
  const gateway = await gatewayFor(t, { greetMs: 5000 });
  const client = await clientOf(t, gateway);
  client.write('HELO early.example\r\n');
  assert.match(await client.reply(), /^421 /);
});

test('ten thousand pipelined commands are answered in order', async t => {
  const gateway = await gatewayFor(t);
  const client = await clientOf(t, gateway);
  await client.reply();
  client.write('NOOP\r\n'.repeat(10_000));
  for (let i = 0; i < 10_000; i++) assert.match((await client.line()) ?? '', /^250 /);
});

test('a client that does nothing but err is sent away', async t => {
  const gateway = await gatewayFor(t);
  const client = await clientOf(t, gateway);
  await client.reply();
  await client.command('HELO x.example');
  let replies = 0;
  for (; replies < 200; replies++) {
    if ((await client.command('MAIL FROM:<a@b..example>')).startsWith('421 ')) break;
  }
  assert.ok(replies > 90 && replies < 120, `${replies} refusals`);
});

test('STARTTLS starts over: what was said or sent before it does not count', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const tls = await selfSigned(folder, 'mx.example.org');
  const gateway = await gatewayFor(t, {}, { tls });
  const socket = connect({ port: gateway.port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  let plain = '';
  socket.on('data', chunk => {
    plain += chunk.toString();
  });
  await waitFor('greeting', () => plain.includes('220 '));
  socket.write('EHLO before.example\r\n');
  await waitFor('EHLO', () => plain.includes('STARTTLS'));
  // The injected command is in the same packet: it must not be answered inside TLS.
  socket.write('STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n');
  await waitFor('go ahead', () => /220 2?\.?.*TLS/.test(plain));
  socket.removeAllListeners('data');
  const secure = connectTls({ socket, rejectUnauthorized: false });
  let inside = '';
  secure.on('data', chunk => {
    inside += chunk.toString();
  });
  secure.on('error', () => undefined);
  await new Promise(resolve => secure.once('secureConnect', resolve));
  secure.write('MAIL FROM:<a@b.example>\r\n');
  await waitFor('an answer', () => inside.includes('\r\n'));
  assert.match(inside, /^503 5\.5\.1 /, 'EHLO is needed again, and nothing else was answered');
  secure.write('EHLO after.example\r\n');
  await waitFor('EHLO inside', () => inside.includes('250 SMTPUTF8') || inside.includes('250-SMTPUTF8'));
  assert.doesNotMatch(inside, /STARTTLS/);
  secure.write('MAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n');
  await waitFor('354', () => inside.includes('354 '));
  secure.write('Subject: tls\r\n\r\n.\r\n');
  await waitFor('taken', () => inside.includes('250 2.6.0'));
  assert.match(gateway.delivered[0]?.bytes.toString() ?? '', /with ESMTPS id/);
  secure.destroy();
});

test('a stop sends idle clients away with 421 and lets a transaction end', async t => {
  const gateway = await startTestGateway();
  const idle = await clientOf(t, gateway);
  await idle.reply();
  const busy = await inData(t, gateway);
  const stopped = gateway.listener.stop(5000);
  assert.match(await idle.reply(), /^421 4\.3\.2 /);
  busy.write('Subject: last\r\n\r\n.\r\n');
  assert.match(await busy.reply(), /^250 2\.6\.0 /);
  busy.write('QUIT\r\n');
  await stopped;
  assert.equal(gateway.delivered.length, 1);
});

test('a client that could go on after its message is sent away when we stop', async t => {
  const gateway = await startTestGateway();
  const busy = await inData(t, gateway);
  const stopped = gateway.listener.stop(60_000);
  busy.write('Subject: last\r\n\r\n.\r\n');
  assert.match(await busy.reply(), /^250 2\.6\.0 /);
  assert.match(await busy.reply(), /^421 4\.3\.2 /);
  await stopped;
});

async function inData(t: TestContext, gateway: TestGateway): Promise<LineClient> {
  const client = await clientOf(t, gateway);
  await client.reply();
  await client.command('HELO x.example');
  await client.command('MAIL FROM:<a@b.example>');
  await client.command('RCPT TO:<user@example.org>');
  assert.match(await client.command('DATA'), /^354 /);
  return client;
}
