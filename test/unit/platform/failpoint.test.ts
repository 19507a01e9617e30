import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { FAILPOINTS, failpoint, failpointFolder } from '../../../src/platform/failpoint.ts';

const SRC = join(import.meta.dirname, '../../../src');
const MODULE = join(SRC, 'platform/failpoint.ts');

test('every failpoint stands in the source once, and no other', () => {
  const files = readdirSync(SRC, { recursive: true }).map(String);
  const found = files
    .filter(name => name.endsWith('.ts') && !name.endsWith('failpoint.ts'))
    .flatMap(name => [...readFileSync(join(SRC, name), 'utf8').matchAll(/failpoint(?:Now)?\('([^']*)'\)/g)])
    .map(([, name]) => name);
  assert.deepEqual(found.sort(), Object.keys(FAILPOINTS).sort());
});

test('failpoints are off where the environment says nothing', () => {
  assert.equal(process.env['POSTERN_FAILPOINTS'], undefined);
  assert.equal(failpointFolder(), '');
  assert.equal(failpoint('reply'), undefined);
});

describe('a failpoint that is on', () => {
  const cases: readonly (readonly [what: string, action: string, expected: RegExp])[] = [
    ['throws', 'throw', /^threw failpoint reply: throw undefined\nwent on\n$/],
    ['says that the disk is full', 'ENOSPC', /^threw ENOSPC: no space left.* ENOSPC\nwent on\n$/],
    ['waits', 'stall 1000', /^went on after a while\nwent on\n$/],
    ['ends its thread, and not the process', 'exit', /^threw failpoint reply: exit undefined\nwent on\n$/],
  ];
  for (const [what, action, expected] of cases) {
    test(`${what}, once`, t => assert.match(run(t, action).stdout, expected));
  }

  test('kills the process, and the file is gone before: a restart goes on', t => {
    const { signal, stdout, left } = run(t, 'kill');
    assert.equal(signal, 'SIGKILL');
    assert.equal(stdout, '');
    assert.deepEqual(left, []);
  });

  test('exit ends a worker thread', t => {
    const folder = made(t, 'exit');
    const script = `
      const { Worker } = await import('node:worker_threads');
      const body = "import(process.env.MODULE).then(m => m.failpoint('reply')).then(() => console.log('went on'))";
      new Worker(body, { eval: true }).on('exit', code => console.log('thread ended with', code));`;
    const env = { ...process.env, POSTERN_FAILPOINTS: folder, MODULE };
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
    assert.equal(said, 'thread ended with 1\n');
  });
});

const SCRIPT = `
  const { failpoint } = await import(process.env.MODULE);
  const once = async () => {
    let isOver = false;
    const passed = Promise.resolve(failpoint('reply')).finally(() => (isOver = true));
    passed.catch(() => undefined);
    await new Promise(setImmediate);
    const when = isOver ? '' : ' after a while';
    await passed;
    console.log('went on' + when);
  };
  await once().catch(error => console.log('threw', error.message, error.code));
  await once();`;

function run(t: Parameters<typeof made>[0], action: string) {
  const folder = made(t, action);
  const env = { ...process.env, POSTERN_FAILPOINTS: folder, MODULE };
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT], { env, encoding: 'utf8' });
  return { stdout: done.stdout, signal: done.signal, left: readdirSync(folder) };
}

function made(t: { after(work: () => void): void }, action: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-failpoint-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'reply'), action);
  return folder;
}
