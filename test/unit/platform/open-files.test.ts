import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

import { clientsMax, openFilesMax } from '../../../src/platform/open-files.ts';

test('the number of open files is the one the process has, and no limit where nobody says', () => {
  assert.equal(
    openFilesMax(() => 'Max processes  1 1\nMax open files            1024                 4096    files\n'),
    1024,
  );
  assert.equal(
    openFilesMax(() => 'Max open files            unlimited   unlimited    files\n'),
    Number.POSITIVE_INFINITY,
  );
  assert.equal(
    openFilesMax(() => {
      throw new Error('no /proc');
    }),
    Number.POSITIVE_INFINITY,
  );
});

test('Node raises its soft limit to the hard one, so nothing has to be set but the hard one', () => {
  const script = `import('${new URL('../../../src/platform/open-files.ts', import.meta.url)}').then(m => console.log(m.openFilesMax()))`;
  const said = execFileSync('sh', [
    '-c',
    'ulimit -Sn 300; ulimit -Hn 900; exec "$0" -e "$1"',
    process.execPath,
    script,
  ]);
  assert.equal(Number(said), 900);
});

test('files for everything else are kept, and there is always room for a client', () => {
  assert.deepEqual([600, 1024, 20_000, 1, Number.POSITIVE_INFINITY].map(clientsMax), [
    88,
    512,
    18_000,
    1,
    Number.POSITIVE_INFINITY,
  ]);
});
