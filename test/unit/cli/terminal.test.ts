import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLine } from '../../../src/cli/terminal.ts';

test('JSON says the same to a program and nothing to a terminal', () => {
  const hostile = { subject: 'a\u009b31m\u202eb\u2066\u2028\u001b[2J\u007f' };
  const line = jsonLine(hostile);
  assert.deepEqual(JSON.parse(line), hostile);
  assert.match(line, /^[\x20-\x7e]*$/);
});
