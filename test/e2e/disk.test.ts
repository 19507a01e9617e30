// A disk that is full, or nearly: 452 before trouble, nothing lost, and mail again as soon as there is room.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { Books, heldFiles } from '../support/books.ts';
import { childrenOf } from '../support/children.ts';
import { startFakeClamd } from '../support/fake-clamd.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { healthOf, partOf } from '../support/health.ts';
import { type RunningPostern, startPostern } from '../support/postern.ts';
import { needs, passOver } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const NO_SPACE = /^452 4\.3\.1 /;
const OTHERS_OFF = 'senderAuth: {enabled: false}, dnsLists: {enabled: false}';
/** The append-only file of Redis, the database and its log need some of it. */
const DISK = '24m';
/** What is taken away when room is made. */
const BALLAST_BYTES = 14 * 1024 * 1024;
const BLOCK = Buffer.alloc(64 * 1024);

test('less free than the reserve: 452 instead of 354, and health says why', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const postern = await startPostern(t, {
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      'diskReserve: 1TiB',
      `scanners: {clamav: {enabled: false}, ${OTHERS_OFF}}`,
    ].join('\n'),
  });
  assert.match(await sendMail(postern.port, { content: message('no room', 'hello') }), NO_SPACE);
  assert.equal(hop.messages.length, 0);
  assert.equal(
    hop.lines.some(line => / DATA$/.test(line)),
    false,
  );
  assert.equal((await healthOf(postern)).status, 503);
  assert.equal((await partOf(postern, 'spool'))?.level, 'down');
});

test('I1: a disk that fills up while mail flows: 4yz, nothing lost, and it recovers by itself', async t => {
  if (!needs(t, 'redis-server', 'mount')) return;
  const folder = mkdtempSync(join(tmpdir(), 'postern-disk-'));
  const data = join(folder, 'data');
  mkdirSync(data);
  const running: RunningPostern[] = [];
  const isMounted = mountDisk(data);
  t.after(async () => {
    for (const postern of running) await postern.stop();
    for (const pid of childrenOf(data).values()) process.kill(pid, 'SIGKILL');
    if (isMounted) execFileSync('umount', ['--lazy', data]);
    rmSync(folder, { recursive: true });
  });
  if (!isMounted) return void passOver(t, 'not allowed to mount a small disk');
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const clamd = await startFakeClamd('found');
  t.after(() => clamd.stop());
  const settings = [
    `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
    // No warning before: the disk is really full.
    'diskReserve: 0B',
    `scanners: {clamav: {address: "127.0.0.1:${clamd.address.port}"}, ${OTHERS_OFF}}`,
  ].join('\n');
  const postern = await startPostern(t, { folder, settings });
  running.push(postern);
  const sent = new Map<string, string>();
  const content = (to: string) => message(to, 'A line of a letter.\r\n'.repeat(10_000));
  const send = async (to: string) => {
    const reply = await sendMail(postern.port, { to, content: content(to) });
    sent.set(to, reply);
    return reply;
  };

  writeFileSync(join(data, 'ballast'), Buffer.alloc(BALLAST_BYTES));
  await t.test('held messages until nothing more goes in', async () => {
    let reply = '';
    // Each takes 200 KB and more.
    for (let i = 0; i < 300 && !NO_SPACE.test(reply); i++) {
      reply = await send(`held-${i}@example.org`);
      assert.match(reply, /^(?:250|45[12]) /);
    }
    assert.match(reply, NO_SPACE);
  });
  await t.test('to the last byte: also what would be relayed is 4yz, and the process lives', async () => {
    fill(join(data, 'last-bytes'));
    clamd.mode = 'ok';
    assert.match(await send('full@example.org'), /^45[12] /);
    assert.equal(hop.messages.length, 0);
    assert.deepEqual(readdirSync(join(data, 'spool')), [], 'nothing half-written is left');
  });
  await t.test('with room again mail flows, and every 250 is on record with its bytes', async () => {
    for (const name of ['last-bytes', 'ballast']) rmSync(join(data, name));
    await waitFor('mail to flow again', async () => (await send('room@example.org')).startsWith('250'), 30_000);
    assert.equal(hop.messages.length, 1);
    checkAll(data, sent, content);
  });
  await t.test('and after a restart, too', async () => {
    await postern.stop();
    assert.equal(postern.child.exitCode, 0);
    running.push(await startPostern(t, { folder, settings }));
    checkAll(data, sent, content);
  });
});

/** Whatever was answered with 250 is relayed or held, byte for byte; whatever was not, is not. */
function checkAll(data: string, sent: ReadonlyMap<string, string>, content: (to: string) => string): void {
  const books = new Books(data);
  try {
    let held = 0;
    for (const [to, reply] of sent) {
      const states = books.copiesFor(to).filter(copy => ['held', 'relayed'].includes(copy.state));
      assert.equal(states.length, reply.startsWith('250') ? 1 : 0, `${to}: ${reply}`);
      const [copy] = states;
      if (copy?.state !== 'held') continue;
      assert.equal(books.heldBytes(copy.copyId)?.toString(), content(to));
      held++;
    }
    assert.ok(held > 0);
    const files = heldFiles(join(data, 'quarantine'));
    assert.equal(files.filter(name => name.endsWith('.eml')).length, held, 'no file that no row knows');
    assert.equal(files.length, 2 * held, `nothing half-written: ${files.filter(name => name.endsWith('.new'))}`);
  } finally {
    books.close();
  }
}

/** False where this user may not. */
function mountDisk(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=700`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Takes all that is left. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const block of [BLOCK, BLOCK.subarray(0, 1)]) while (writeSync(file, block) > 0);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}
