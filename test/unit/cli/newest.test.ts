import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newest } from '../../../src/cli/newest.ts';

test('a list that was cut says so, and how to see more', () => {
  const said: string[] = [];
  const warn = (text: string) => void said.push(text);
  assert.deepEqual(newest([1, 2, 3], 3, warn), [1, 2, 3]);
  assert.deepEqual(said, []);
  assert.deepEqual(newest([1, 2, 3], 2, warn), [1, 2]);
  assert.deepEqual(newest(Array.from({ length: 1001 }), 1000, warn).length, 1000);
  assert.deepEqual(said, [
    'only the newest 2; there are more: --limit 1000 shows more',
    'only the newest 1000; there are more: ask for less: --since, or an address',
  ]);
});
