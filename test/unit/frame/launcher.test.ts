// bin/postern: finds its Node and the program from anywhere, and gets out of the way.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../../bin/postern', import.meta.url));

describe('bin/postern', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'postern launcher ')));
  after(() => rmSync(folder, { recursive: true }));

  /** A project with a Node that does what `script` says. */
  function project(name: string, script: string | null): string {
    const root = join(folder, name);
    mkdirSync(join(root, 'bin'), { recursive: true });
    copyFileSync(LAUNCHER, join(root, 'bin/postern'));
    if (script !== null) {
      mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
      writeFileSync(join(root, 'node_modules/.bin/node'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return root;
  }

  const said = 'pwd; for word; do echo "$word"; done; exit 7';

  test('passes the arguments, the folder and the exit code', () => {
    const root = project('plain', said);
    const { stdout, status } = spawnSync('bin/postern', ['check', 'a b', '--json', ''], {
      cwd: root,
      encoding: 'utf8',
    });
    const [folderOfCaller, ...words] = stdout.split('\n');
    assert.equal(folderOfCaller, root);
    assert.deepEqual(words.slice(-6), [`${root}/src/cli/main.ts`, 'check', 'a b', '--json', '', '']);
    assert.equal(status, 7);
  });

  test('is found through symlinks, relative and absolute, and on PATH', () => {
    const root = project('linked', said);
    const away = join(folder, 'away');
    mkdirSync(away);
    symlinkSync('../linked/bin/postern', join(away, 'relative'));
    symlinkSync(join(away, 'relative'), join(away, 'absolute'));
    for (const [program, env] of [
      [join(away, 'absolute'), {}],
      ['./relative', {}],
      ['absolute', { PATH: `${away}:${process.env['PATH']}` }],
    ] as const) {
      const { stdout } = spawnSync(program, [], { cwd: away, encoding: 'utf8', env: { ...process.env, ...env } });
      assert.match(stdout, new RegExp(`^${away}\n`), program);
      assert.ok(stdout.endsWith(`${root}/src/cli/main.ts\n`), program);
    }
  });

  test('says what to do where nothing is installed', () => {
    const { stderr, status } = spawnSync(join(project('bare', null), 'bin/postern'), ['serve'], { encoding: 'utf8' });
    assert.match(stderr, /^postern: not installed yet: run `npm start` \(or `npm ci`\) in .*\/bare first\n$/);
    assert.equal(status, 2);
  });

  test('a signal reaches the program, for it has taken the launcher’s place', async () => {
    const root = project('signalled', 'trap "exit 9" TERM; echo $$; while :; do sleep 0.05; done');
    const child = spawn(join(root, 'bin/postern'), [], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [chunk] = await once(child.stdout, 'data');
    assert.equal(Number(String(chunk)), child.pid);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [9, null]);
  });
});
