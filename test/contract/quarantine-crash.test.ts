// I1: what was acknowledged is there after kill -9 at any point. kill -9 alone does not test fsync, for the kernel keeps
// what was written: the order of the fsync calls is seen with strace.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { copyId, type MailId } from '../../src/mail/mail-id.ts';
import { silentLog } from '../../src/platform/log.ts';
import { FileQuarantine } from '../../src/quarantine/quarantine.ts';
import { openStore } from '../../src/store/store.ts';
import { needs } from '../support/require.ts';
import { temporaryFolder } from '../support/sample-record.ts';

const LOOP = fileURLToPath(new URL('../support/hold-loop.ts', import.meta.url));
/** How often the process is killed; more in a long run: POSTERN_KILLS=100. */
const KILLS = Number(process.env['POSTERN_KILLS'] ?? 12);

/** Runs the loop until it has held some, then kills it in the middle of whatever it does; what it had acknowledged. */
async function runAndKill(folder: string): Promise<Map<MailId, string>> {
  const acknowledged = new Map<MailId, string>();
  const child = spawn(process.execPath, [LOOP, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise(resolve => child.on('exit', resolve));
  const killAfter = randomInt(0, 40);
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    const count = said.split('\n').filter(line => line.startsWith('held ')).length;
    // A random moment in the next steps, also before the first message is held.
    if (said.includes('ready') && count >= killAfter && timer === undefined) {
      timer = setTimeout(() => child.kill('SIGKILL'), randomInt(0, 12));
    }
  });
  await ended;
  clearTimeout(timer);
  await new Promise(resolve => (child.stdout.readableEnded ? resolve(null) : child.stdout.on('close', resolve)));
  assert.equal(child.signalCode, 'SIGKILL');
  for (const line of said.split('\n').slice(0, -1)) {
    const [word, id = '', sha256 = ''] = line.split(' ');
    // The loop's own ids.
    if (word === 'held') acknowledged.set(id as MailId, sha256);
  }
  return acknowledged;
}

test(`I1: after ${KILLS} times kill -9 every acknowledged message is held with its bytes and rows`, async t => {
  const folder = await temporaryFolder(t);
  const acknowledged = new Map<MailId, string>();
  for (let i = 0; i < KILLS; i++) {
    for (const [id, sha256] of await runAndKill(folder)) acknowledged.set(id, sha256);
  }
  assert.ok(acknowledged.size > 0);

  const store = await openStore({ path: join(folder, 'postern.db') });
  t.after(() => store.close());
  const quarantine = await FileQuarantine.open({
    store,
    folder: join(folder, 'quarantine'),
    releaseKey: new Uint8Array(32),
    hostname: 'gateway.example.com',
    log: silentLog(),
  });
  const recovery = await quarantine.recover();
  assert.equal(recovery.damaged, 0);
  const rows = new Set((await store.read(db => db.selectFrom('items').select('copy_id'))).map(row => row.copy_id));
  for (const [id, sha256] of acknowledged) {
    for (const index of [0, 1]) assert.ok(rows.has(copyId(id, index)), `no row for ${id}`);
    const shown = await quarantine.show(copyId(id, 0));
    assert.equal(shown?.item.state, 'held');
    assert.equal(digest(shown?.path ?? ''), sha256);
  }
  // Whatever is in the database beyond that was on its way when the process died: it has its bytes, too.
  for (const copy of rows) {
    const shown = await quarantine.show(copy);
    assert.equal(digest(shown?.path ?? ''), shown?.item.sha256);
  }
  // And no file is left that no row knows.
  const names = readdirSync(join(folder, 'quarantine'), { recursive: true }).map(String);
  assert.equal(names.filter(name => /\.(?:eml|json)$/.test(name)).length, rows.size);
  assert.deepEqual(
    names.filter(name => name.endsWith('.new')),
    [],
  );
});

test('I1: bytes, names, folder and rows are fsynced, in this order, before the message is acknowledged', async t => {
  if (!needs(t, 'strace')) return;
  const folder = await temporaryFolder(t);
  const trace = join(folder, 'trace');
  const calls = 'trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,write,mkdir';
  const traced = ['-f', '-y', '-s', '80', '-e', calls, '-o', trace, process.execPath, LOOP, folder, '1'];
  const run = spawnSync('strace', traced, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(run.status, 0, run.stderr);
  const [, id = ''] = /held (\w{18}) /.exec(run.stdout) ?? [];
  const day = String.raw`quarantine/\d+/\d\d/\d\d`;
  const lines = readFileSync(trace, 'utf8').split('\n');
  const from = lines.findIndex(line => line.includes('ready '));
  let at = from;
  const steps: readonly [string, RegExp][] = [
    ['the new folders are synced into the quarantine', /f(?:data)?sync\(\d+<[^>]*quarantine>/],
    ['the bytes', new RegExp(String.raw`f(?:data)?sync\(\d+<[^>]*spool/${id}\.eml>`)],
    ['their name in quarantine', new RegExp(String.raw`link(?:at)?\(.*${day}/${id}\.eml"`)],
    ['the record', new RegExp(String.raw`f(?:data)?sync\(\d+<[^>]*${day}/${id}\.json\.new>`)],
    ['the name of the record', new RegExp(String.raw`rename\w*\(.*${id}\.json\.new".*${id}\.json"`)],
    ['the folder', new RegExp(String.raw`f(?:data)?sync\(\d+<[^>]*${day}>`)],
    ['the rows', /f(?:data)?sync\(\d+<[^>]*postern\.db-wal>/],
    ['the acknowledgement', new RegExp(`write\\(1.*held ${id}`)],
  ];
  for (const [what, pattern] of steps) {
    const found = lines.findIndex((line, index) => index > at && pattern.test(line));
    assert.ok(found > at, `${what}: not after line ${at - from} of\n${lines.slice(from).join('\n').slice(0, 6000)}`);
    at = found;
  }
});

test('I1: while the sender owns a message nothing of it is fsynced', async t => {
  if (!needs(t, 'strace')) return;
  const folder = await temporaryFolder(t);
  const trace = join(folder, 'trace');
  const script = `
    import { openFileSpool } from ${JSON.stringify(new URL('../../src/spool/file-spool.ts', import.meta.url).href)};
    const spool = await openFileSpool({ folder: ${JSON.stringify(join(folder, 'spool'))}, reserveBytes: 0 });
    const draft = await spool.create('0123456789abcdefgh');
    await draft.write(Buffer.alloc(200_000));
    await draft.discard();`;
  const node = [process.execPath, '--input-type=module', '-e', script];
  const run = spawnSync('strace', ['-f', '-e', 'trace=fsync,fdatasync,openat', '-o', trace, ...node], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  const lines = readFileSync(trace, 'utf8');
  assert.match(lines, /0123456789abcdefgh\.part/);
  assert.doesNotMatch(lines, /f(?:data)?sync\(/);
});

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
