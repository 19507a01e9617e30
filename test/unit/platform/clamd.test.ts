import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

import { type ClamdOptions, createClamd } from '../../../src/platform/clamd.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { findProgram, needs } from '../../support/require.ts';
import { waitFor } from '../../support/wait-for.ts';

/** The EICAR test file, in two halves so that no virus scanner finds it here. */
const TEST_VIRUS = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-', 'ANTIVIRUS-TEST-FILE!$H+H*'].join('');

async function clamdFor(t: TestContext, more: Partial<ClamdOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'postern-clamd-'));
  const signatures = join(folder, 'freshclam');
  await mkdir(signatures);
  const program = findProgram('clamd') ?? '';
  const clamd = await createClamd({
    program,
    folder: join(folder, 'clamd'),
    signatures,
    maxMessageBytes: 1024 * 1024,
    concurrency: 2,
    log: silentLog(),
    ...more,
  });
  t.after(async () => {
    await clamd.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { clamd, folder, signatures };
}

function scan(socketPath: string, content: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath });
    let answer = '';
    const size = Buffer.alloc(4);
    size.writeUInt32BE(Buffer.byteLength(content));
    socket.on('data', data => {
      answer += String(data);
    });
    socket.on('close', () => resolve(answer.replace('\0', '')));
    socket.on('error', reject);
    socket.write(Buffer.concat([Buffer.from('zINSTREAM\0'), size, Buffer.from(content), Buffer.alloc(4)]));
  });
}

test('without signatures clamd finds the test virus, and health says where it looked for them', async t => {
  if (!needs(t, 'clamd')) return;
  const { clamd, signatures } = await clamdFor(t);
  assert.equal(await clamd.start(), true);
  assert.equal(clamd.signatures(), 'none');
  const { level, says, next } = clamd.health();
  // Red, and what to do, are the scanner's to say: once.
  assert.deepEqual([level, next], ['ok', '']);
  assert.ok(says.endsWith(`without virus signatures in ${signatures}`), says);
  assert.equal(await scan(clamd.socketPath, TEST_VIRUS), 'stream: Eicar-Test-Signature.UNOFFICIAL FOUND');
  assert.equal(await scan(clamd.socketPath, 'hello'), 'stream: OK');
  const attached = `From: a@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: application/octet-stream; name="e.com"\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(TEST_VIRUS).toString('base64')}\r\n--b--\r\n`;
  assert.match(await scan(clamd.socketPath, attached), /Eicar-Test-Signature.* FOUND/);
});

test('its configuration bounds what it takes and alerts on what it cannot read', async t => {
  if (!needs(t, 'clamd')) return;
  const { clamd, folder } = await clamdFor(t);
  await clamd.start();
  const config = await readFile(join(folder, 'clamd/clamd.conf'), 'utf8');
  for (const line of ['Foreground yes', 'AlertExceedsMax yes', 'AlertEncrypted yes', 'StreamMaxLength 2097152']) {
    assert.ok(config.split('\n').includes(line), line);
  }
  assert.doesNotMatch(config, /^User/m);
  assert.equal((await stat(clamd.socketPath)).mode & 0o077, 0);
  assert.match(
    await scan(clamd.socketPath, 'x'.repeat(3 * 1024 * 1024)).catch(String),
    /size limit exceeded|EPIPE|ECONNRESET/,
  );
});

test('the test virus stands in no file that we write', async t => {
  if (!needs(t, 'clamd')) return;
  const { clamd, folder } = await clamdFor(t);
  await clamd.start();
  const signature = await readFile(join(folder, 'clamd/signatures/postern-test.ndb'), 'utf8');
  assert.doesNotMatch(signature, /EICAR-STANDARD/);
  assert.match(signature, /^Eicar-Test-Signature:0:0:[0-9a-f]{136}\n$/);
});

test('signatures that come while it runs are used, and when they go it is the test signature again', async t => {
  if (!needs(t, 'clamd')) return;
  const { clamd, signatures } = await clamdFor(t, { lookEveryMs: 50 });
  await clamd.start();
  const pid = clamd.pid();
  // No real base, which only ClamAV can sign: that clamd now refuses it shows that it reads this folder.
  const base = join(signatures, 'daily.cvd');
  await writeFile(base, 'ClamAV-VDB:'.padEnd(2000, 'x'));
  await waitFor('noticed', () => clamd.signatures() === 'installed');
  await waitFor('refused', () => /ended:.*(?:cvd|database|[Mm]alformed)/.test(clamd.health().says));
  await rm(base);
  await waitFor('back', () => clamd.signatures() === 'none' && clamd.isReady());
  assert.notEqual(clamd.pid(), pid);
  assert.match(clamd.health().says, /without virus signatures/);
});

test('I8: a change of signatures that cannot be written is tried again, and counts as none until then', async t => {
  if (!needs(t, 'clamd')) return;
  const failures: string[] = [];
  const log = { ...silentLog(), error: (_: object, message: string) => void failures.push(message) };
  const { clamd, signatures, folder } = await clamdFor(t, { lookEveryMs: 50, log });
  await clamd.start();
  const pid = clamd.pid();
  const config = join(folder, 'clamd/clamd.conf');
  await rm(config);
  await mkdir(config);
  await writeFile(join(signatures, 'daily.cvd'), 'ClamAV-VDB:'.padEnd(2000, 'x'));
  await waitFor('it fails, again and again', () => failures.filter(one => one === 'clamd signatures').length >= 3);
  assert.equal(clamd.signatures(), 'none', 'the one that runs has none');
  assert.equal(clamd.pid(), pid);
  const { level, next } = clamd.health();
  assert.equal(level, 'down');
  assert.match(next, /is the disk full/);
  await rmdir(config);
  await waitFor('it is done at last', () => clamd.signatures() === 'installed');
  await waitFor('by another one', () => clamd.pid() !== pid);
  assert.match(await readFile(config, 'utf8'), new RegExp(`^DatabaseDirectory ${signatures}$`, 'm'));
});
