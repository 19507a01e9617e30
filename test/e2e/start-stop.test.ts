// One gateway a data folder, and its end: what is in flight may end, nothing is lost, no child is left behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';

import { Books } from '../support/books.ts';
import { childrenOf, endChildrenAfter } from '../support/children.ts';
import { type FakeClamd, startFakeClamd } from '../support/fake-clamd.ts';
import { type FakeHop, startFakeHop } from '../support/fake-hop.ts';
import { openMail } from '../support/open-mail.ts';
import { type RunningPostern, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { LineClient } from '../support/smtp-script.ts';
import { waitFor } from '../support/wait-for.ts';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/postern');
/** What an init system surely gives; ours is 20 s for what is in flight. */
const END_WITHIN_MS = 30_000;

test('I1: at SIGTERM what is in flight ends with its true reply, and no child is left', async t => {
  if (!needs(t, 'redis-server')) return;
  const world = await start(t);
  const { postern, hop, clamd, data } = world;
  const idle = await LineClient.open(postern.port);
  await idle.reply();
  const inData = await openMail(postern.port, 'data@example.org');
  inData.write(message('in the middle of DATA', 'first half'));
  clamd.mode = 'stall';
  const inScan = await openMail(postern.port, 'scan@example.org');
  await inScan.finish(message('being scanned', 'hello'));
  await waitFor('clamd to have the message', () => clamd.connections === 1);
  clamd.mode = 'ok';
  hop.steps = { dot: 'silent' };
  const atHop = await openMail(postern.port, 'hop@example.org');
  await atHop.finish(message('at the next hop', 'hello'));
  await waitFor('the next hop to have the message', () => hop.messages.length === 1);
  hop.steps = {};

  postern.child.kill('SIGTERM');
  assert.match(await idle.reply(), /^421 4\.3\.2 /);
  await waitFor('it to listen no more', async () => (await isRefused(postern.port)) === true);
  await inData.finish('second half\r\n');
  assert.match(await inData.reply(), /^250 /);
  clamd.answer();
  assert.match(await inScan.reply(), /^250 /);
  hop.shout('250 2.0.0 at last');
  assert.match(await atHop.reply(), /^250 /);
  for (const client of [idle, inData, inScan, atHop]) client.destroy();
  await ends(postern);
  assert.equal(hop.messages.length, 3);
  assert.deepEqual([...childrenOf(data)], [], 'no child is left');
  await again(
    world,
    ['data', 'scan', 'hop'].map(name => [`${name}@example.org`, 'relayed'] as const),
  );
});

test('at SIGTERM after a reload, too: nothing of the old version keeps the process', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern, data } = await start(t);
  for (const _ of [1, 2]) assert.equal((await postern.cli('reload')).code, 0);
  await ends(postern, 'SIGTERM');
  assert.deepEqual([...childrenOf(data)], [], 'no child is left');
});

test('I4: at SIGTERM what does not end is cut off in time, is not answered with 250, and is on record', async t => {
  if (!needs(t, 'redis-server')) return;
  const world = await start(t);
  const { postern, hop, clamd, data } = world;
  const inData = await openMail(postern.port, 'data@example.org');
  inData.write('Subject: never ends\r\n');
  clamd.mode = 'stall';
  const inScan = await openMail(postern.port, 'scan@example.org');
  await inScan.finish(message('being scanned', 'hello'));
  await waitFor('clamd to have the message', () => clamd.connections === 1);
  clamd.mode = 'ok';
  hop.steps = { dot: 'silent' };
  const atHop = await openMail(postern.port, 'hop@example.org');
  await atHop.finish(message('at the next hop', 'hello'));
  await waitFor('the next hop to have the message', () => hop.messages.length === 1);
  const replies = [inData, inScan, atHop].map(mail => mail.reply().catch(() => ''));
  await ends(postern, 'SIGTERM');
  for (const reply of await Promise.all(replies)) assert.doesNotMatch(reply, /^2/);
  for (const client of [inData, inScan, atHop]) client.destroy();
  assert.deepEqual([...childrenOf(data)], [], 'no child is left');
  hop.steps = {};
  await again(world, [
    ['data@example.org', 'abandoned'],
    ['scan@example.org', 'abandoned'],
    // It went out, and nobody knows whether the next hop took it.
    ['hop@example.org', 'unknown'],
  ]);
});

test('SIGTERM at any moment of the start ends it with 0, and no child is left', async t => {
  if (!needs(t, 'redis-server')) return;
  const folder = testFolder(t, 'stopped');
  const data = join(folder, 'data');
  endChildrenAfter(t, data);
  const first = await startPostern(t, { folder, settings: settingsOf('smtp://127.0.0.1:9', null) });
  await first.stop();
  for (const moment of [/"starting"/, /is settled/, /child is ready/]) {
    await t.test(String(moment), async () => {
      const child = spawn(LAUNCHER, ['serve'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
      const ended = new Promise<number | null>(done => child.once('close', code => done(code)));
      let said = '';
      child.stderr.on('data', chunk => {
        const isNew = !moment.test(said);
        said += chunk;
        if (isNew && moment.test(said)) child.kill('SIGTERM');
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
      assert.equal(await ended, 0, said);
      clearTimeout(timer);
      assert.deepEqual([...childrenOf(data)], [], `no child is left: ${said}`);
    });
  }
});

test('two on one data folder: the second says so and ends; what a dead one left is in nobody’s way', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern, data, folder, settings } = await start(t);
  const other = join(folder, 'second');
  mkdirSync(other);
  symlinkSync(data, join(other, 'data'));
  const second = () => startPostern(t, { folder: other, settings });

  await t.test('beside one that runs', async () => {
    await assert.rejects(second, /a gateway is running on .*data already: stop it first, or name another data folder/);
    assert.match(await sendMail(postern.port, { content: message('the first goes on', 'x') }), /^250 /);
  });
  await t.test('beside one that is frozen', async () => {
    postern.child.kill('SIGSTOP');
    try {
      await assert.rejects(second, /is running/);
    } finally {
      postern.child.kill('SIGCONT');
    }
    assert.match(await sendMail(postern.port, { content: message('the first goes on', 'x') }), /^250 /);
  });
  await t.test('after a crash, by another name of the folder', async () => {
    const children = childrenOf(data);
    await postern.kill();
    const next = await second();
    assert.deepEqual(childrenOf(data), children, 'its daemons are taken over');
    await next.kill();
  });
  await t.test('both at the same moment, after a crash', async () => {
    assert.ok(existsSync(join(data, 'control.sock')), 'the dead one has left its socket');
    const both = await Promise.allSettled([second(), startPostern(t, { folder, settings })]);
    const running = both.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
    assert.equal(
      running.length,
      1,
      JSON.stringify(both.map(one => (one.status === 'rejected' ? String(one.reason) : ''))),
    );
    assert.match(await sendMail(running[0]?.port ?? 0, { content: message('one goes on', 'x') }), /^250 /);
    assert.equal((await running[0]?.cli('reload'))?.code, 0, 'and it can be reached');
    await running[0]?.stop();
    assert.deepEqual([...childrenOf(data)], [], 'no child is left, by whichever way it came to the folder');
  });
});

test('I9: a reload that is under way when it is told to stop does not keep it alive', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern } = await start(t);
  postern.child.kill('SIGHUP');
  await new Promise(resolve => setTimeout(resolve, 50));
  await ends(postern, 'SIGTERM');
});

interface World {
  readonly t: TestContext;
  readonly folder: string;
  readonly data: string;
  readonly settings: string;
  readonly hop: FakeHop;
  readonly clamd: FakeClamd;
  readonly postern: RunningPostern;
}

async function start(t: TestContext): Promise<World> {
  const folder = testFolder(t, 'stop');
  const data = join(folder, 'data');
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const clamd = await startFakeClamd('ok');
  t.after(() => clamd.stop());
  const settings = settingsOf(hop.smtp, clamd);
  endChildrenAfter(t, data);
  const postern = await startPostern(t, { folder, settings });
  return { t, folder, data, settings, hop, clamd, postern };
}

function settingsOf(hop: string, clamd: FakeClamd | null): string {
  const clamav = clamd === null ? '{enabled: false}' : `{address: "127.0.0.1:${clamd.address.port}"}`;
  return [
    `domains: {example.org: {nextHop: "${hop}"}}`,
    'diskReserve: 0B',
    `scanners: {clamav: ${clamav}, senderAuth: {enabled: false}, dnsLists: {enabled: false}}`,
  ].join('\n');
}

async function ends(postern: RunningPostern, signal?: NodeJS.Signals): Promise<void> {
  const since = performance.now();
  if (signal !== undefined) postern.child.kill(signal);
  const { child } = postern;
  await waitFor('its end', () => child.exitCode !== null || child.signalCode !== null, END_WITHIN_MS);
  assert.equal(child.exitCode, 0, postern.log());
  assert.ok(performance.now() - since < END_WITHIN_MS);
}

/** Starts once more: every message is on record as it was, and the next one passes. */
async function again({ t, folder, data, settings, hop }: World, states: readonly (readonly [string, string])[]) {
  const postern = await startPostern(t, { folder, settings });
  const books = new Books(data);
  for (const [to, state] of states) {
    assert.deepEqual(
      books.copiesFor(to).map(copy => copy.state),
      [state],
      to,
    );
  }
  books.close();
  const passed = hop.messages.length;
  assert.match(await sendMail(postern.port, { content: message('afterwards', 'x') }), /^250 /);
  assert.equal(hop.messages.length, passed + 1);
}

async function isRefused(port: number): Promise<boolean> {
  try {
    (await LineClient.open(port)).destroy();
    return false;
  } catch {
    return true;
  }
}
