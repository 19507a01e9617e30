// What the listener does when more come than it can serve: who goes, who stays, and that no place is lost for ever.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { Room } from '../../../../src/gateway/smtp/room.ts';
import { selfSigned } from '../../../../src/platform/certificate.ts';
import { ConnectionCounter, type ConnectionLimits } from '../../../../src/reputation/rates.ts';
import { startTestGateway, type TestGateway } from '../../../support/gateway.ts';
import { LineClient } from '../../../support/smtp-script.ts';
import { waitFor } from '../../../support/wait-for.ts';

async function gatewayFor(t: TestContext, ...options: Parameters<typeof startTestGateway>): Promise<TestGateway> {
  const gateway = await startTestGateway(...options);
  t.after(() => gateway.stop());
  return gateway;
}

async function greeted(t: TestContext, gateway: TestGateway, address: string): Promise<LineClient> {
  const client = await LineClient.open(gateway.port, address);
  t.after(() => client.destroy());
  assert.match(await client.reply(), /^220 /);
  return client;
}

const DIALOGUE = ['EHLO x.example', 'MAIL FROM:<a@sender.example>', 'RCPT TO:<user@example.org>'];

async function inData(t: TestContext, gateway: TestGateway, address: string): Promise<LineClient> {
  const client = await greeted(t, gateway, address);
  for (const line of DIALOGUE) assert.match(await client.command(line), /^250/);
  assert.match(await client.command('DATA'), /^354 /);
  return client;
}

test('when all places are taken, who has kept us waiting longest makes room, told 421', async t => {
  const gateway = await gatewayFor(t, { roomAfterMs: 0 }, { total: 3, perClient: 3 });
  const first = await greeted(t, gateway, '127.0.0.2');
  const second = await greeted(t, gateway, '127.0.0.3');
  await greeted(t, gateway, '127.0.0.4');
  assert.match(await first.command('NOOP'), /^250 /);
  const fourth = await greeted(t, gateway, '127.0.0.5');
  assert.match(await second.reply(), /^421 4\.7\.0 /, 'the second has now said nothing for longest');
  await second.closed();
  assert.match(await first.command('NOOP'), /^250 /);
  assert.match(await fourth.command('NOOP'), /^250 /);
  assert.deepEqual(gateway.turnedAway, ['slow 127.0.0.3']);
  assert.equal(gateway.openConnections(), 3);
});

test('whoever waits for us keeps the place: it is content that drips which goes', async t => {
  const gateway = await gatewayFor(t, { roomAfterMs: 0 }, { total: 2, perClient: 2 });
  let letGo: (() => void) | null = null;
  gateway.steering.at = async place => {
    if (place === 'scan') {
      await new Promise<void>(resolve => {
        letGo = resolve;
      });
    }
  };
  const scanned = await inData(t, gateway, '127.0.0.2');
  scanned.write('Subject: x\r\n\r\nbody\r\n.\r\n');
  await waitFor('the scan', () => letGo !== null);
  const drips = await inData(t, gateway, '127.0.0.3');
  drips.write('S');
  const third = await greeted(t, gateway, '127.0.0.4');
  assert.match(await drips.reply(), /^421 4\.7\.0 /);
  (letGo as (() => void) | null)?.();
  assert.match(await scanned.reply(), /^250 /);
  assert.match(await third.command('NOOP'), /^250 /);
  await waitFor('its records', () => gateway.records.length === 2);
  assert.equal(gateway.spooled.size, 0);
});

test('who was brisk is not sent away: then it is the newcomer who hears 421', async t => {
  const gateway = await gatewayFor(t, {}, { total: 1, perClient: 1 });
  const first = await greeted(t, gateway, '127.0.0.2');
  const second = await LineClient.open(gateway.port, '127.0.0.3');
  assert.match(await second.reply(), /^421 4\.7\.0 /);
  await second.closed();
  assert.match(await first.command('NOOP'), /^250 /);
  assert.deepEqual(gateway.turnedAway, ['full 127.0.0.3']);
});

test('who has gone by itself since the last look is not sent away in the place of another', async t => {
  const gateway = await gatewayFor(t, { roomAfterMs: 0 }, { total: 3, perClient: 3 });
  await greeted(t, gateway, '127.0.0.2');
  const second = await greeted(t, gateway, '127.0.0.3');
  const third = await greeted(t, gateway, '127.0.0.4');
  await greeted(t, gateway, '127.0.0.5');
  second.destroy();
  await waitFor('the second to have left', () => gateway.openConnections() === 2);
  await greeted(t, gateway, '127.0.0.6');
  await greeted(t, gateway, '127.0.0.7');
  assert.match(await third.reply(), /^421 4\.7\.0 /);
  assert.deepEqual(gateway.turnedAway, ['slow 127.0.0.2', 'slow 127.0.0.4']);
});

test("the time until our greeting is not the client's", async t => {
  const gateway = await gatewayFor(t, { greetMs: 100, roomAfterMs: 20_000 }, { total: 1, perClient: 1 });
  const first = await LineClient.open(gateway.port, '127.0.0.2');
  t.after(() => first.destroy());
  await waitFor('its place', () => gateway.openConnections() === 1);
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + 40_000);
  assert.match(await first.reply(), /^220 /);
  const second = await LineClient.open(gateway.port, '127.0.0.3');
  assert.match(await second.reply(), /^421 4\.7\.0 /);
  assert.deepEqual(gateway.turnedAway, ['full 127.0.0.3']);
});

test('who keeps us waiting for its name, not greeted yet, makes room for others', async t => {
  const gateway = await gatewayFor(t, { greetMs: 100, roomAfterMs: 20_000 }, { total: 1, perClient: 1 });
  let asked = 0;
  gateway.steering.nameOf = () => {
    asked++;
    return asked === 1 ? new Promise(() => undefined) : Promise.resolve(null);
  };
  const first = await LineClient.open(gateway.port, '127.0.0.2');
  t.after(() => first.destroy());
  await waitFor('its name to be asked for', () => asked === 1);
  const early = await LineClient.open(gateway.port, '127.0.0.3');
  assert.match(await early.reply(), /^421 4\.7\.0 /);
  assert.deepEqual(gateway.turnedAway, ['full 127.0.0.3']);
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + 40_000);
  const third = await greeted(t, gateway, '127.0.0.4');
  assert.match(await first.reply(), /^421 4\.7\.0 /);
  await first.closed();
  assert.match(await third.command('NOOP'), /^250 /);
  assert.deepEqual(gateway.turnedAway.slice(1), ['slow 127.0.0.2']);
});

test('whose content waits for our disk keeps the place, though another has been silent for less long', async t => {
  const gateway = await gatewayFor(t, { roomAfterMs: 20_000 }, { total: 2, perClient: 1 });
  let written: () => void = () => undefined;
  let isWriting = false;
  gateway.steering.at = async place => {
    if (place !== 'write' || isWriting) return;
    isWriting = true;
    await new Promise<void>(resolve => {
      written = resolve;
    });
  };
  const sender = await inData(t, gateway, '127.0.0.2');
  sender.write('Subject: x\r\n\r\n');
  await waitFor('the disk', () => isWriting);
  const idle = await greeted(t, gateway, '127.0.0.3');
  const { now } = Date;
  const clock = t.mock.method(Date, 'now', () => now() + 40_000);
  await greeted(t, gateway, '127.0.0.4');
  clock.mock.restore();
  assert.match(await idle.reply(), /^421 4\.7\.0 /);
  written();
  assert.match(await sender.command('body\r\n.'), /^250 /);
  assert.deepEqual(gateway.turnedAway, ['slow 127.0.0.3']);
});

/** A public and a trusted listener with one limit of connections. */
async function twoListeners(t: TestContext, limits: ConnectionLimits) {
  const shared = { counter: new ConnectionCounter(limits), room: new Room() };
  const rules = { roomAfterMs: 20_000 };
  const inside = await gatewayFor(t, rules, { ...shared, name: 'trusted', trusted: true, networks: ['127.0.0.0/8'] });
  return { outside: await gatewayFor(t, rules, shared), inside, counter: shared.counter };
}

/** From now on everybody who says nothing has been silent for long. */
function muchLater(t: TestContext): void {
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + 40_000);
}

test('idle clients of one listener make room for those of another', async t => {
  const { outside, inside, counter } = await twoListeners(t, { perClient: 9, total: 2 });
  const stranger = await greeted(t, outside, '127.0.0.2');
  const user = await greeted(t, inside, '127.0.0.3');
  muchLater(t);
  const second = await greeted(t, inside, '127.0.0.4');
  assert.match(await stranger.reply(), /^421 4\.7\.0 /, 'strangers first');
  await greeted(t, outside, '127.0.0.5');
  assert.match(await user.reply(), /^421 4\.7\.0 /, 'an idle user, where that gives a stranger a place');
  assert.match(await second.command('NOOP'), /^250 /);
  assert.equal(counter.total, 2);
  assert.deepEqual([inside.turnedAway, outside.turnedAway], [['slow 127.0.0.2'], ['slow 127.0.0.3']]);
});

test('an idle user of our own is not sent away for a stranger whom that would give no place', async t => {
  const { outside, inside } = await twoListeners(t, { perClient: 9, total: 2, reserved: 1 });
  const stranger = await greeted(t, outside, '127.0.0.2');
  const user = await greeted(t, inside, '127.0.0.3');
  muchLater(t);
  assert.match(await stranger.command('NOOP'), /^250 /);
  const second = await LineClient.open(outside.port, '127.0.0.4');
  assert.match(await second.reply(), /^421 4\.7\.0 /);
  assert.match(await user.command('NOOP'), /^250 /);
  assert.deepEqual(outside.turnedAway, ['full 127.0.0.4']);
});

test('a client in the middle of its TLS handshake can be sent away, and its place is free', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const tls = await selfSigned(folder, 'mx.example.org');
  const gateway = await gatewayFor(t, { roomAfterMs: 0 }, { total: 1, perClient: 1, tls });
  const first = await greeted(t, gateway, '127.0.0.2');
  await first.command('EHLO x.example');
  assert.match(await first.command('STARTTLS'), /^220 /);
  await greeted(t, gateway, '127.0.0.3');
  await first.closed();
  await waitFor('one connection', () => gateway.listener.connections.size === 1 && gateway.openConnections() === 1);
});

test('a refused client that does not close its side costs no socket', async t => {
  const gateway = await gatewayFor(t, {}, { total: 1, perClient: 1 });
  await greeted(t, gateway, '127.0.0.2');
  const held: Socket[] = [];
  t.after(() => held.forEach(socket => void socket.destroy()));
  let heard = 0;
  for (let i = 0; i < 20; i++) {
    const socket = connect({ port: gateway.port, host: '127.0.0.1', localAddress: '127.0.0.9', allowHalfOpen: true });
    socket.on('data', () => heard++).on('error', () => undefined);
    held.push(socket);
  }
  await waitFor('all refused', () => heard === 20);
  const open = await new Promise<number>(done => gateway.listener.server.getConnections((_, count) => done(count)));
  assert.equal(open, 1);
});

test('a socket that fails between accept and our look at it neither ends the process nor takes a place', async t => {
  const gateway = await gatewayFor(t, {}, { total: 2, perClient: 2 });
  gateway.listener.server.on('connection', socket => {
    if (socket.remoteAddress === '127.0.0.7') socket.destroy(new Error('read ECONNRESET'));
  });
  for (let i = 0; i < 5; i++) {
    const client = await LineClient.open(gateway.port, '127.0.0.7');
    await client.closed();
  }
  await greeted(t, gateway, '127.0.0.2');
  assert.equal(gateway.openConnections(), 1);
  assert.equal(gateway.listener.connections.size, 1);
});
