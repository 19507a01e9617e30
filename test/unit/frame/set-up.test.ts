// The set-up's promises: nothing is removed, no service is started, the lists are read only when they must be, and
// whether node_modules is complete is judged by the lock file. With an apt-get of our own; nothing is installed here.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('../../../scripts/', import.meta.url));
const POLICY = 'usr/sbin/policy-rc.d';

/** A folder with an apt-get that notes its arguments and then does what `script` says; `$*` are the arguments. */
function machine(t: TestContext, script: string) {
  const folder = mkdtempSync(join(tmpdir(), 'postern-set-up-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode: 0o755 });
  };
  mkdirSync(join(folder, 'usr/sbin'), { recursive: true });
  write(
    'bin/apt-get',
    `#!/bin/sh\necho "$* $(test -x ${folder}/${POLICY} && echo forbidden)" >>${folder}/calls\n${script}\n`,
  );
  const install = () => {
    const env = { PATH: `${folder}/bin:${process.env['PATH']}`, DPKG_ROOT: folder };
    const { status, stdout, stderr } = spawnSync('sh', [join(SCRIPTS, 'setup/debian.sh'), 'swaks', 'strace'], {
      env,
      encoding: 'utf8',
    });
    const calls = readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n');
    const short = calls.map(call => call.replace('-y -o DPkg::Lock::Timeout=300 ', '').trimEnd());
    return { status, said: stdout + stderr, calls: short };
  };
  return { folder, write, install };
}

const SIMULATED = '-s install --no-install-recommends swaks strace';
const INSTALLED = 'install --no-install-recommends --no-remove swaks strace forbidden';

describe('installing Debian packages', () => {
  test('forbids the start of services while it installs, and only then', t => {
    const { folder, install } = machine(t, 'exit 0');
    const { status, calls } = install();
    assert.deepEqual(calls, [SIMULATED, INSTALLED]);
    assert.equal(status, 0);
    assert.ok(!existsSync(join(folder, POLICY)));
  });

  test('leaves a policy of the site as it is', t => {
    const { folder, write, install } = machine(t, 'exit 0');
    write(POLICY, '#!/bin/sh\nexit 0\n');
    assert.equal(install().status, 0);
    assert.equal(readFileSync(join(folder, POLICY), 'utf8'), '#!/bin/sh\nexit 0\n');
  });

  test('clears away a policy of its own that a killed run has left', t => {
    const { folder, write, install } = machine(t, 'exit 0');
    write(POLICY, '#!/bin/sh\n# For the time of an installation by Postern (scripts/setup/debian.sh)\nexit 101\n');
    assert.equal(install().status, 0);
    assert.ok(!existsSync(join(folder, POLICY)));
  });

  test('stops where something would be removed, and names it', t => {
    const { install } = machine(t, 'case $* in *-s*) echo "Remv exim4-base [4.96]"; echo "Inst swaks";; esac');
    const { status, said, calls } = install();
    assert.equal(status, 2);
    assert.match(said, /installing swaks strace would remove: exim4-base/);
    assert.match(said, /nothing was changed/);
    assert.deepEqual(calls, [SIMULATED]);
  });

  test('reads the package lists where a package is not known', t => {
    const { install } = machine(t, 'case $* in *update*) touch $0.updated;; *-s*) test -e $0.updated;; esac');
    const { status, calls } = install();
    assert.deepEqual(calls, [SIMULATED, 'update', SIMULATED, INSTALLED]);
    assert.equal(status, 0);
  });

  test('reads the package lists where they name files that are gone', t => {
    const { install } = machine(t, 'case $* in *update*) touch $0.updated;; *--no-remove*) test -e $0.updated;; esac');
    const { status, calls } = install();
    assert.deepEqual(calls, [SIMULATED, INSTALLED, 'update forbidden', INSTALLED]);
    assert.equal(status, 0);
  });

  test('shows what apt-get said where it fails, and clears up', t => {
    const { folder, install } = machine(t, 'case $* in *--no-remove*) echo "E: disk full"; exit 100;; esac');
    const { status, said } = install();
    assert.equal(status, 1);
    assert.match(said, /E: disk full/);
    assert.match(said, /by hand.*: apt-get install --no-install-recommends --no-remove swaks strace/);
    assert.ok(!existsSync(join(folder, POLICY)));
  });
});

describe('node_modules is complete', () => {
  const lock = (packages: object) => JSON.stringify({ packages });
  const wanted = {
    '': { name: 'postern' },
    'node_modules/a': { version: '1.0.0' },
    'node_modules/node': { version: '24.0.0' },
    'node_modules/other-processor': { version: '1.0.0', optional: true },
  };
  const there = { 'node_modules/a': { version: '1.0.0' }, 'node_modules/node': { version: '24.0.0' } };

  for (const [name, present, hasNode, status] of [
    ['when all that is not optional is there', there, true, 0],
    ['not when a version differs', { ...there, 'node_modules/a': { version: '1.0.1' } }, true, 1],
    [
      'not when an optional one is there in another version',
      { ...there, 'node_modules/other-processor': { version: '2.0.0' } },
      true,
      1,
    ],
    ['not when a package is missing', { 'node_modules/node': { version: '24.0.0' } }, true, 1],
    ['not when the program of Node was not fetched', there, false, 1],
    ['not when there is nothing', null, true, 1],
  ] as const) {
    test(name, t => {
      const { folder, write } = machine(t, '');
      cpSync(join(SCRIPTS, 'setup'), join(folder, 'scripts/setup'), { recursive: true });
      write('package-lock.json', lock(wanted));
      if (present !== null) write('node_modules/.package-lock.json', lock(present));
      if (hasNode) write('node_modules/node/bin/node', '');
      assert.equal(spawnSync(process.execPath, [join(folder, 'scripts/setup/installed.cjs')]).status, status);
    });
  }
});
