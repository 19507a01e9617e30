import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type Child, type ChildOptions, createChild } from '../../../src/platform/child.ts';
import { createLog, silentLog } from '../../../src/platform/log.ts';
import { processId } from '../../../src/platform/process-id.ts';
import { askSocket } from '../../../src/platform/unix-socket.ts';
import { waitFor } from '../../support/wait-for.ts';

/** A daemon of a few lines: answers `pong`; its argument says how it misbehaves. */
const DAEMON = `
const [socket, how] = process.argv.slice(2);
if (how === 'fails') { console.error('cannot read my settings'); process.exit(3); }
if (how === 'stubborn') process.on('SIGTERM', () => undefined);
if (how === 'chatty') setInterval(() => process.stdout.write('x'.repeat(100000) + '\\n'), 5);
try { require('node:fs').unlinkSync(socket); } catch {}
if (how !== 'mute') require('node:net').createServer(s => s.on('data', () => s.end('pong'))).listen(socket);
else setInterval(() => undefined, 1000);
`;

async function setUp(t: TestContext, how = '', more: Partial<ChildOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'postern-child-'));
  const program = join(folder, 'daemon.cjs');
  const socket = join(folder, 'd.sock');
  await writeFile(program, DAEMON);
  const options: ChildOptions = {
    name: 'daemon',
    command: process.execPath,
    args: [program, socket, how],
    folder,
    probe: async signal => {
      await askSocket(socket, { send: 'ping', isWhole: text => text === 'pong' }, signal);
    },
    readyWithinMs: 10_000,
    stopWithinMs: 5000,
    hungAfterMs: 60_000,
    log: silentLog(),
    ...more,
  };
  const children: Child[] = [];
  const make = (changed: Partial<ChildOptions> = {}) => {
    const child = createChild({ ...options, ...changed });
    children.push(child);
    return child;
  };
  t.after(async () => {
    for (const child of children) await child.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { folder, socket, make, options };
}

async function isGone(pid: number | null): Promise<boolean> {
  return pid === null || (await processId(pid)) === null;
}

test('a child is ready when it answers, and gone after stop with its pid file', async t => {
  const { make, folder } = await setUp(t);
  const child = make();
  assert.equal(child.health().level, 'down');
  assert.equal(await child.start(), true);
  assert.equal(child.health().level, 'ok');
  const pid = child.pid();
  assert.equal((await stat(join(folder, 'daemon.pid'))).mode & 0o777, 0o600);
  await child.stop();
  assert.ok(await isGone(pid));
  await assert.rejects(stat(join(folder, 'daemon.pid')), /ENOENT/);
  assert.equal(child.isReady(), false);
});

test('a child that was killed is started again', async t => {
  const { make } = await setUp(t);
  const child = make();
  await child.start();
  const pid = child.pid();
  process.kill(pid ?? 0, 'SIGKILL');
  await waitFor('another one', () => child.isReady() && child.pid() !== pid);
});

test('a child that does not start is tried again and again, and health says what it said', async t => {
  const lines: string[] = [];
  const { make } = await setUp(t, 'fails', { readyWithinMs: 600, log: createLog('warn', line => lines.push(line)) });
  const child = make();
  assert.equal(await child.start(), false);
  // A busy machine may not have started it even once by now.
  await waitFor('its words', () => /cannot read my settings/.test(child.health().says));
  const { level, next } = child.health();
  assert.equal(level, 'down');
  assert.match(next, /daemon\.out/);
  await waitFor('tried again', () => lines.length > 1);
});

test('a program that is not there is said in health', async t => {
  const { make } = await setUp(t, '', { command: '/nowhere/daemon', readyWithinMs: 200 });
  const child = make();
  assert.equal(await child.start(), false);
  await waitFor('said', () => /cannot be started: .*ENOENT/.test(child.health().says));
});

test('a child is in a process group of its own: Ctrl-C does not reach it', async t => {
  const { make } = await setUp(t);
  const child = make();
  await child.start();
  const fields = (await readFile(`/proc/${child.pid()}/stat`, 'latin1')).split(') ')[1]?.split(' ');
  assert.equal(Number(fields?.[2]), child.pid());
});

test('secrets in our environment do not reach it', async t => {
  process.env['POSTERN_TEST_SECRET'] = 'sesame';
  t.after(() => delete process.env['POSTERN_TEST_SECRET']);
  const { make } = await setUp(t);
  const child = make();
  await child.start();
  assert.doesNotMatch(await readFile(`/proc/${child.pid()}/environ`, 'latin1'), /sesame/);
});

test('a child that ignores SIGTERM is killed', async t => {
  const { make } = await setUp(t, 'stubborn', { stopWithinMs: 100 });
  const child = make();
  await child.start();
  const pid = child.pid();
  await child.stop();
  assert.ok(await isGone(pid));
});

test('a child that stopped answering is killed and started again', async t => {
  const { make } = await setUp(t, '', { hungAfterMs: 500, stopWithinMs: 100 });
  const child = make();
  await child.start();
  const pid = child.pid();
  process.kill(pid ?? 0, 'SIGSTOP');
  await waitFor('noticed', () => !child.isReady());
  await waitFor('another one', () => child.isReady() && child.pid() !== pid);
});

test('a child that still loads is given its time', async t => {
  const { make } = await setUp(t, 'mute', { hungAfterMs: 50, readyWithinMs: 500, stopWithinMs: 100 });
  const child = make();
  const started = child.start();
  await waitFor('runs', () => child.pid() !== null);
  const pid = child.pid();
  assert.equal(await started, false);
  assert.match(child.health().says, /does not answer/);
  // Only after that it counts as hung.
  await waitFor('another one', () => child.pid() !== null && child.pid() !== pid);
});

test('what a child prints is kept small', async t => {
  const { make, folder } = await setUp(t, 'chatty');
  const child = make();
  await child.start();
  const output = join(folder, 'daemon.out');
  let last = 0;
  await waitFor('emptied', async () => {
    const { size } = await stat(output);
    const isSmaller = size < last;
    last = size;
    return isSmaller;
  });
});

/** Starts the child in another process, and kills that process. */
async function orphan(t: TestContext, options: ChildOptions): Promise<number> {
  const { probe: _probe, log: _log, ...plain } = options;
  const script = `
    import { createChild } from ${JSON.stringify(new URL('../../../src/platform/child.ts', import.meta.url).href)};
    import { silentLog } from ${JSON.stringify(new URL('../../../src/platform/log.ts', import.meta.url).href)};
    import { askSocket } from ${JSON.stringify(new URL('../../../src/platform/unix-socket.ts', import.meta.url).href)};
    const probe = signal => askSocket(${JSON.stringify(options.args[1])}, { send: 'ping', isWhole: text => text === 'pong' }, signal);
    const child = createChild({ ...${JSON.stringify(plain)}, probe, log: silentLog() });
    await child.start();
    process.stdout.write(String(child.pid()));
    setInterval(() => undefined, 1000);`;
  const parent: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => parent.kill('SIGKILL'));
  const pid = await new Promise<number>(resolve => parent.stdout?.once('data', data => resolve(Number(data))));
  parent.kill('SIGKILL');
  await new Promise(resolve => parent.once('close', resolve));
  assert.notEqual(await processId(pid), null, 'the child outlives the crash');
  return pid;
}

test('after a crash of ours the child is adopted, watched and stopped', async t => {
  const { make, options } = await setUp(t);
  const pid = await orphan(t, options);
  const child = make();
  assert.equal(await child.start(), true);
  assert.equal(child.pid(), pid);
  process.kill(pid, 'SIGKILL');
  await waitFor('another one', () => child.isReady() && child.pid() !== pid);
});

test('an adopted child is ended by stop', async t => {
  const { make, options } = await setUp(t);
  const pid = await orphan(t, options);
  const child = make();
  await child.start();
  assert.equal(child.pid(), pid);
  await child.stop();
  assert.ok(await isGone(pid));
});

test('a child of an earlier run with other settings is replaced', async t => {
  const { make, options } = await setUp(t);
  const pid = await orphan(t, options);
  const child = make({ fingerprint: () => 'changed' });
  assert.equal(await child.start(), true);
  assert.notEqual(child.pid(), pid);
  assert.ok(await isGone(pid));
});

test('a child whose pid was never written down is found by its mark, so that there are never two', async t => {
  const { make, options, folder } = await setUp(t);
  const pid = await orphan(t, options);
  await rm(join(folder, 'daemon.pid'));
  const child = make();
  assert.equal(await child.start(), true);
  assert.ok(await isGone(pid));
});

test('a pid that belongs to somebody else by now is left alone', async t => {
  const { make, folder } = await setUp(t);
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  t.after(() => stranger.kill('SIGKILL'));
  const id = await processId(stranger.pid ?? 0);
  await writeFile(join(folder, 'daemon.pid'), JSON.stringify({ ...id, digest: 'x' }));
  const child = make();
  assert.equal(await child.start(), true);
  assert.notEqual(child.pid(), stranger.pid);
  await child.stop();
  assert.notEqual(await processId(stranger.pid ?? 0), null);
});

test('a pid file that is rubbish does no harm', async t => {
  const { make, folder } = await setUp(t);
  for (const rubbish of ['', '1', '{"pid":1,"startTicks":"1","digest":"x"}', '{"pid":-1}']) {
    await writeFile(join(folder, 'daemon.pid'), rubbish);
    const child = make();
    assert.equal(await child.start(), true);
    await child.stop();
  }
});
