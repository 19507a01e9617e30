// Postern as deploy/systemd/postern.service runs it: a user of its own, one capability at most, no way to more, nothing
// writable but its data. As near to it as the machine lets a test come; where we are not root the user is ours.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

import { startPostern, testFolder } from '../support/postern.ts';
import { findProgram, needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const SETTINGS = 'domains: {example.org: {nextHop: "maildir:mailbox"}}\nscanners: {dnsLists: {lists: []}}';
const ROOT = resolve(import.meta.dirname, '../..');
/** nobody, on every Linux. */
const USER = 65_534;
const NET_BIND_SERVICE = 1n << 10n;
const LIMITS =
  'exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service --no-new-privs "$@"';
/** Everything read-only but the data, seen from a mount namespace of its own; without one permissions do what they can. */
const READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && ';

function under(folder: string): readonly string[] {
  const isRoot = process.getuid?.() === 0;
  const runs = (program: readonly string[]) =>
    spawnSync(program[0] ?? '', [...program.slice(1), 'test', '-r', ROOT]).status === 0;
  const namespace = ['unshare', '--mount', 'sh', '-c', READ_ONLY + LIMITS, folder];
  const limited = ['sh', '-c', LIMITS, folder];
  if (isRoot && runs(namespace)) return namespace;
  return isRoot && runs(limited) ? limited : [];
}

test('runs as a user without rights, with nothing writable but its data', async t => {
  if (!needs(t, 'redis-server', 'clamd')) return;
  const folder = testFolder(t, 'unprivileged');
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const prefix = under(folder);
  const isLimited = prefix.length > 0;
  t.diagnostic(isLimited ? prefix.slice(0, 2).join(' ') : 'as the user of the test');
  if (isLimited) chownSync(folder, USER, USER);
  const postern = await startPostern(t, { settings: SETTINGS, folder, under: prefix });
  await waitFor('clamd', () => /"child":"clamd".*child is ready/.test(postern.log()), 60_000);
  assert.match(await sendMail(postern.port, { content: message('No rights', 'x\r\n') }), /^250 /);

  const pids = [postern.child.pid ?? 0, ...childrenOf(postern.child.pid ?? 0)];
  assert.ok(pids.length >= 4, `${pids.length} processes`);
  for (const pid of isLimited ? pids : []) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
    assert.equal(field('Uid').split('\t')[1], String(USER));
    assert.equal(field('NoNewPrivs'), '1');
    for (const set of ['CapEff', 'CapPrm', 'CapBnd'])
      assert.equal(BigInt(`0x${field(set)}`) & ~NET_BIND_SERVICE, 0n, set);
  }
  // Nobody else may read mail or settings of ours.
  for (const file of ['spool', 'quarantine', 'postern.db', 'redis', 'clamd', 'mailbox']) {
    const path = join(folder, 'data', file);
    if (existsSync(path)) assert.equal(statSync(path).mode & 0o077, 0, `${file} is open to others`);
  }
  await postern.stop();
  assert.equal(postern.child.exitCode, 0, postern.log());
});

/** All that descend from it. */
function childrenOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return [[Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])] as const];
      } catch {
        return [];
      }
    });
  const direct = parents.filter(([, parent]) => parent === pid).map(([child]) => child);
  return direct.flatMap(child => [child, ...childrenOf(child)]);
}

test('the service file is what systemd understands, and its restrictions stand', async t => {
  const path = join(ROOT, 'deploy/systemd/postern.service');
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  for (const wanted of [
    'User=postern',
    'AmbientCapabilities=CAP_NET_BIND_SERVICE',
    'CapabilityBoundingSet=CAP_NET_BIND_SERVICE',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'PrivateTmp=yes',
    'KillMode=mixed',
    'StateDirectory=postern',
  ]) {
    assert.ok(lines.includes(wanted), wanted);
  }
  // Longer than the 20 s that transactions under way are given and the 10 s of clamd.
  assert.ok(Number(/^TimeoutStopSec=(\d+)s$/m.exec(text)?.[1]) > 30);
  if ((await findProgram('systemd-analyze')) === null) return t.diagnostic('no systemd-analyze here');
  const args = ['security', '--offline=true', '--threshold=30', path];
  const said = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  // Older ones know no --offline.
  if (/unrecognized option/.test(said.stderr)) return t.diagnostic('a systemd-analyze without --offline');
  assert.equal(said.status, 0, said.stdout + said.stderr);
  assert.match(execFileSync('systemd-analyze', ['--version'], { encoding: 'utf8' }), /systemd/);
});
