// Floods and breaks: connections that are reset at every byte or half closed in every phase, thousands of connects, large
// and tiny messages, messages of very many parts, loops. Memory stays bounded, others are served, nothing stays.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { assertNoLongTurn, longestTurnMs, metric, openFiles, rssBytes } from '../support/delay.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { addressOf, Flood, GoodClient, startNoNames } from '../support/flood.ts';
import { RULES_ALONE, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { LineClient } from '../support/smtp-script.ts';
import { waitFor } from '../support/wait-for.ts';
import { count, IS_LONG } from './report.ts';

const MB = 1024 * 1024;
const LINES = ['EHLO x.example', 'MAIL FROM:<a@sender.example>', 'RCPT TO:<user@example.org>', 'DATA'];
const DIALOGUE = `${LINES.join('\r\n')}\r\nSubject: cut off\r\n\r\nbody\r\n.\r\nQUIT\r\n`;

function settings(hop: string, names: string): string {
  return [
    `domains: {example.org: {nextHop: "${hop}"}}`,
    RULES_ALONE,
    `dns: {servers: ["${names}"]}`,
    'limits: {connections: 2000, connectionsPerMinutePerAddress: 0}',
    'timeouts: {command: 10s, hopConnect: 3s}',
  ].join('\n');
}

type World = Awaited<ReturnType<typeof started>>;

async function started(t: TestContext) {
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, { settings: settings(hop.smtp, await startNoNames(t)) });
  for (let i = 0; i < 5; i++)
    assert.match(await sendMail(postern.port, { content: message(`First ${i}`, 'x') }), /^250 /);
  await longestTurnMs(postern);
  return { hop, postern, files: openFiles(postern.child.pid ?? 0) };
}

/** No connection, file handle or spool file is left of what was tried, and no turn of the main thread was long. */
async function nothingStays(t: TestContext, { postern, hop, files }: World): Promise<void> {
  const pid = postern.child.pid ?? 0;
  const spooled = () => readdirSync(join(postern.folder, 'data/spool'), { recursive: true, withFileTypes: true });
  await waitFor('no connection is left', async () => (await metric(postern, 'postern_connections')) === 0, 60_000);
  await waitFor('no scan is left', async () => (await metric(postern, 'postern_scans_in_flight')) === 0, 60_000);
  await waitFor('no spool file is left', () => spooled().every(entry => !entry.isFile()), 30_000);
  // The next hop's pool keeps its connections for a while.
  await waitFor('files and sockets as before', () => openFiles(pid) <= files + hop.open + 5, 60_000);
  t.diagnostic(`longest turn ${await assertNoLongTurn(postern, 'all of it')} ms`);
}

function open(port: number, n: number, then: (socket: Socket) => void): Promise<string> {
  return new Promise(resolve => {
    let heard = '';
    const socket = connect({ port, host: '127.0.0.1', localAddress: addressOf(n), allowHalfOpen: true });
    socket.on('data', chunk => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => undefined).on('close', () => resolve(heard));
    socket.once('end', () => socket.end());
    socket.once('connect', () => then(socket));
  });
}

/** Waits for the greeting, then sends the first `length` bytes of the dialogue, and ends it by reset or by FIN. */
function cutAt(port: number, length: number, how: 'reset' | 'half-close'): Promise<string> {
  return open(port, length, socket =>
    socket.once('data', () => {
      socket.write(DIALOGUE.slice(0, length), () => (how === 'reset' ? socket.resetAndDestroy() : socket.end()));
    }),
  );
}

async function resets(t: TestContext, world: World): Promise<void> {
  const { postern, hop } = world;
  const good = new GoodClient(t, postern.port);
  const stride = IS_LONG ? 1 : 9;
  const cuts = Array.from({ length: Math.ceil(DIALOGUE.length / stride) }, (_, i) => i * stride);
  for (const how of ['reset', 'half-close'] as const) {
    const heard = await Promise.all(cuts.map(length => cutAt(postern.port, length, how)));
    assert.ok(heard.every(text => text.startsWith('220 ')));
    count(`${how} at every byte`, cuts.length);
  }
  // Whole commands are answered though the client has closed its side.
  const whole = await cutAt(postern.port, `${LINES[0]}\r\n`.length, 'half-close');
  assert.match(whole, /^220 .*\r\n(?:250.*\r\n)?/);
  await good.stop();
  assert.deepEqual(good.refused, []);
  const cut = hop.messages
    .filter(({ bytes }) => bytes.includes('cut off'))
    .every(({ bytes }) => bytes.includes('\r\nbody\r\n'));
  assert.ok(cut, 'what was passed on was whole');
  await nothingStays(t, world);
}

async function smallFloods(t: TestContext, world: World): Promise<void> {
  const { postern } = world;
  const good = new GoodClient(t, postern.port);
  const connects = IS_LONG ? 20_000 : 1000;
  const flood = new Flood(t, postern.port);
  const begun = Date.now();
  await flood.open(connects, socket => void (socket.remotePort === 0 ? socket.end() : socket.resetAndDestroy()));
  t.diagnostic(`${connects} connects in ${Date.now() - begun} ms`);
  const tiny = IS_LONG ? 3000 : 100;
  let next = 0;
  const replies = new Map<string, number>();
  const lane = async () => {
    for (let n = next++; n < tiny; n = next++) {
      const content = Buffer.from(n % 2 === 0 ? '\r\n' : 'A: b\r\n\r\n');
      const reply = await sendMail(postern.port, { content, address: addressOf(n) });
      replies.set(reply.slice(0, 3), (replies.get(reply.slice(0, 3)) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: 30 }, lane));
  assert.deepEqual(
    [...replies.keys()].filter(code => code !== '250' && code !== '451' && code !== '421'),
    [],
  );
  const served = good.served;
  await waitFor('a good message', () => good.served > served, 60_000);
  await good.stop();
  assert.deepEqual(
    good.refused.filter(reply => !reply.startsWith('451')),
    [],
  );
  flood.end();
  await nothingStays(t, world);
  count('flood of connects', connects);
  count('flood of tiny messages', tiny);
}

const parts = (number: number) => `${head('multipart/mixed; boundary=b')}${'--b\r\n\r\nx\r\n'.repeat(number)}--b--\r\n`;
const deep = (levels: number) => {
  const open = Array.from(
    { length: levels },
    (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
  );
  return `Subject: deep\r\nMIME-Version: 1.0\r\n${open.join('')}\r\nx\r\n`;
};
const head = (type: string) => `Subject: many\r\nMIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n`;

async function manyParts(t: TestContext, world: World): Promise<void> {
  const { postern } = world;
  const good = new GoodClient(t, postern.port);
  const hostile = {
    parts: parts(20_000),
    header: `${'X-Long: y\r\n'.repeat(190_000)}\r\nbody\r\n`,
    'long field': `Subject: ${'y '.repeat(1000 * 1000)}\r\n\r\nbody\r\n`.replace(/(.{900}) /g, '$1\r\n '),
    deep: deep(5000),
  };
  for (const [what, content] of Object.entries(hostile)) {
    assert.match(await sendMail(postern.port, { content, address: '127.0.0.9' }), /^(?:250|451|55\d) /, what);
    count('message of very many parts');
  }
  await good.stop();
  assert.ok(good.served > 0);
  assert.deepEqual(good.refused, []);
  await nothingStays(t, world);
}

async function largeOnes(t: TestContext, world: World): Promise<void> {
  const { postern } = world;
  const pid = postern.child.pid ?? 0;
  const [clients, megabytes] = IS_LONG ? [20, 50] : [4, 10];
  const good = new GoodClient(t, postern.port);
  const block = Buffer.from(`${'y'.repeat(70)}\r\n`.repeat(14_563));
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, rssBytes(pid));
  }, 100);
  t.after(() => clearInterval(watch));
  const one = async (n: number) => {
    const client = await LineClient.open(postern.port, addressOf(n));
    try {
      await client.reply();
      for (const line of LINES) await client.command(line);
      client.write('Subject: large\r\n\r\n');
      for (let sent = 0; sent < megabytes; sent++) await client.drained(block);
      client.write('.\r\n');
      return await client.reply();
    } finally {
      client.destroy();
    }
  };
  const replies = await Promise.all(Array.from({ length: clients }, (_, n) => one(n)));
  for (const reply of replies) assert.match(reply, /^(?:250|451) /);
  await good.stop();
  clearInterval(watch);
  t.diagnostic(
    `${clients} x ${megabytes} MB: RSS at most ${Math.round(most / MB)} MB; ${replies.filter(r => r.startsWith('250')).length} taken`,
  );
  assert.ok(most < 900 * MB, `${Math.round(most / MB)} MB`);
  await nothingStays(t, world);
  count('large messages at once', clients);
}

async function loop(t: TestContext, world: World): Promise<void> {
  const { postern, hop } = world;
  let content: Buffer = Buffer.from(message('Round and round', 'x'));
  let rounds = 0;
  for (let reply = ''; !reply.startsWith('554 5.4.6'); rounds++) {
    assert.ok(rounds < 6, `still taken after ${rounds} rounds`);
    reply = await sendMail(postern.port, { content });
    assert.match(reply, /^(?:250|554 5\.4\.6) /);
    content = hop.messages.at(-1)?.bytes ?? content;
  }
  await nothingStays(t, world);
  count('loop through the next hop', rounds);
}

/** A port forward, with a NAT: the gateway's own connections come from another address. */
async function startForward(t: TestContext, to: () => number) {
  const seen = { all: 0, open: 0 };
  const sockets = new Set<Socket>();
  const bridge = createServer(inner => {
    const outer = connect({ port: to(), host: '127.0.0.1', localAddress: '127.0.0.77' });
    seen.all++;
    seen.open++;
    for (const socket of [inner, outer]) sockets.add(socket.on('error', () => undefined));
    inner.on('close', () => {
      seen.open--;
      outer.destroy();
    });
    outer.on('close', () => inner.destroy());
    inner.pipe(outer).pipe(inner);
  });
  await new Promise<void>(resolve => bridge.listen(0, '127.0.0.1', resolve));
  t.after(
    () =>
      new Promise(resolve => {
        for (const socket of sockets) socket.destroy();
        bridge.close(resolve);
      }),
  );
  const place = bridge.address();
  if (place === null || typeof place === 'string') throw new Error('no port');
  return { port: place.port, seen };
}

async function ourselves(t: TestContext): Promise<void> {
  // Its ports are chosen when it starts, and stand in its settings then.
  const folder = testFolder(t, 'run');
  const portOf = (listener: string) => {
    const text = readFileSync(join(folder, 'postern.yaml'), 'utf8');
    return Number(new RegExp(`name: ${listener}, address: "127.0.0.1:(\\d+)"`).exec(text)?.[1]);
  };
  const names = await startNoNames(t);
  const incoming = await startForward(t, () => portOf('public'));
  const outgoing = await startForward(t, () => portOf('trusted'));
  const postern = await startPostern(t, {
    folder,
    settings: `${settings(`smtp://127.0.0.1:${incoming.port}`, names)}
outgoing: {nextHop: "smtp://127.0.0.1:${outgoing.port}"}`,
  });
  const isNoticed = (port: number) => postern.log().includes(`"host":"smtp://127.0.0.1:${port}","next":"nextHop must`);
  await waitFor('the start to notice both', () => isNoticed(incoming.port) && isNoticed(outgoing.port));
  for (let n = 0; n < 3; n++) {
    const before = incoming.seen.all;
    assert.match(
      await sendMail(postern.port, { content: message('To myself', 'x') }),
      /^451 4\.4\.6 Routing loop detected/,
    );
    assert.ok(incoming.seen.all <= before + 2, 'one connection a message, none from within it, and perhaps a probe');
  }
  const before = outgoing.seen.all;
  const sent = { content: message('To myself', 'x'), to: 'user@elsewhere.example' };
  assert.match(await sendMail(postern.trustedPort, sent), /^451 4\.4\.6 /);
  assert.ok(outgoing.seen.all <= before + 2);
  const doctor = await postern.cli('doctor');
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /leads back to this\s+gateway itself/);
  await waitFor('all of them closed', () => incoming.seen.open + outgoing.seen.open === 0);
  count('loop to ourselves', 4);
}

test('floods, breaks and loops leave nothing behind, and others are served', async t => {
  if (!needs(t, 'redis-server')) return;
  const world = await started(t);
  await t.test('connections that are reset or half closed at any byte of a dialogue leave nothing behind', inner =>
    resets(inner, world),
  );
  await t.test('floods of connects and of tiny messages: others are served', inner => smallFloods(inner, world));
  await t.test(
    'messages of 20,000 parts, of 2 MB of header, nested 5,000 deep end in a verdict, and others do not wait',
    inner => manyParts(inner, world),
  );
  await t.test('large messages at once are taken with bounded memory, and others are served', inner =>
    largeOnes(inner, world),
  );
  await t.test('a next hop that brings the mail back is refused as a loop after a few rounds', inner =>
    loop(inner, world),
  );
});

test('a next hop that is this gateway itself, behind a port forward and a NAT, is known at once and said by doctor', async t => {
  if (needs(t, 'redis-server')) await ourselves(t);
});
