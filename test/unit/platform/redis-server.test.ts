import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { silentLog } from '../../../src/platform/log.ts';
import { createRedisServer, type RedisServer } from '../../../src/platform/redis-server.ts';
import { askSocket, socketPath } from '../../../src/platform/unix-socket.ts';
import { findProgram, needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

async function serverIn(t: TestContext, kind: 'queue' | 'memory', folder: string): Promise<RedisServer> {
  const program = findProgram('redis-server') ?? '';
  const server = await createRedisServer({ program, folder, kind, maxMemoryMb: 8, log: silentLog() });
  t.after(() => server.stop());
  return server;
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-redis-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function say(server: RedisServer, command: string): Promise<string> {
  const isWhole = (text: string) => text.endsWith('\r\n');
  return askSocket(server.socketPath, { send: `${command}\r\n`, isWhole }, AbortSignal.timeout(5000));
}

test('the queue server keeps what it was given when it is killed', async t => {
  if (!needs(t, 'redis-server')) return;
  const server = await serverIn(t, 'queue', await folderFor(t));
  assert.equal(await server.start(), true);
  assert.equal(await say(server, 'SET kept yes'), '+OK\r\n');
  assert.match(await say(server, 'CONFIG GET maxmemory-policy'), /noeviction/);
  assert.match(await say(server, 'CONFIG GET appendfsync'), /everysec/);
  const pid = server.pid();
  process.kill(pid ?? 0, 'SIGKILL');
  await waitFor('again', () => server.isReady() && server.pid() !== pid);
  assert.match(await say(server, 'GET kept'), /yes/);
});

test('the memory server forgets the oldest and writes no file', async t => {
  if (!needs(t, 'redis-server')) return;
  const folder = await folderFor(t);
  const server = await serverIn(t, 'memory', folder);
  assert.equal(await server.start(), true);
  assert.match(await say(server, 'CONFIG GET maxmemory-policy'), /allkeys-lru/);
  assert.match(await say(server, 'CONFIG GET maxmemory'), /8388608/);
  await server.stop();
  assert.deepEqual(
    (await readdir(folder)).filter(name => /rdb|aof|appendonly/.test(name)),
    [],
  );
});

test('nobody else can reach it: no port, a socket for us alone', async t => {
  if (!needs(t, 'redis-server')) return;
  const server = await serverIn(t, 'memory', await folderFor(t));
  await server.start();
  assert.match(await say(server, 'CONFIG GET port'), /\r\n0\r\n/);
  assert.equal((await stat(server.socketPath)).mode & 0o077, 0);
});

test('a data folder with a long path gets its socket elsewhere, always in the same place, and works', async t => {
  if (!needs(t, 'redis-server')) return;
  const folder = join(await folderFor(t), 'd'.repeat(60), 'e'.repeat(60));
  const server = await serverIn(t, 'memory', folder);
  assert.ok(server.socketPath.startsWith(join(tmpdir(), 'postern-')));
  assert.equal(await socketPath(folder, 'redis.sock'), server.socketPath);
  const short = join(server.socketPath, '..');
  t.after(() => rm(short, { recursive: true, force: true }));
  assert.equal((await stat(short)).mode & 0o777, 0o700);
  assert.equal(await server.start(), true);
});

test('a folder that others may enter is not used for a socket', async t => {
  const folder = join(await folderFor(t), 'd'.repeat(120));
  const short = join(await socketPath(folder, 's'), '..');
  t.after(() => rm(short, { recursive: true, force: true }));
  await chmod(short, 0o777);
  await assert.rejects(socketPath(folder, 's'), /not a folder of our own alone/);
});

test('an append-only file that is damaged is said, and what to do about it', async t => {
  if (!needs(t, 'redis-server')) return;
  const folder = await folderFor(t);
  const first = await serverIn(t, 'queue', folder);
  await first.start();
  for (let i = 0; i < 3; i++) await say(first, `SET key${i} value`);
  await first.stop();
  const name = (await readdir(join(folder, 'appendonlydir'))).find(file => file.endsWith('.incr.aof')) ?? '';
  const file = join(folder, 'appendonlydir', name);
  await writeFile(file, (await readFile(file, 'latin1')).replace('$3', 'XX'));
  const second = await serverIn(t, 'queue', folder);
  const started = second.start();
  await waitFor('said', () => /append only file/.test(second.health().says));
  assert.match(second.health().next, /remove .*appendonlydir/);
  await rm(join(folder, 'appendonlydir'), { recursive: true, maxRetries: 20, retryDelay: 50 });
  assert.equal(await started, true);
});
