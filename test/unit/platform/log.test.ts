import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, errorText } from '../../../src/platform/log.ts';

test('a line is one JSON object, whatever is in it', () => {
  const lines: string[] = [];
  const log = createLog('info', line => lines.push(line));
  const hostile = 'a\r\n{"level":"info","msg":"forged"}\u0000\u001b[31m';
  log.info({ from: hostile }, hostile);
  log.debug({}, 'not wanted');
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1, 'the only line end is the last character');
  const { level, from, msg, time } = JSON.parse(lines[0] ?? '');
  assert.deepEqual([level, from, msg], ['info', hostile, hostile]);
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
});

test('fields given once stand in every line', () => {
  const lines: string[] = [];
  const log = createLog('debug', line => lines.push(line)).with({ id: 'x1' });
  log.warn({ a: 1 }, 'one');
  log.error({}, 'two');
  assert.deepEqual(
    lines.map(line => JSON.parse(line).id),
    ['x1', 'x1'],
  );
});

test('an error says its chain of causes, within a bound', () => {
  const chain = new Error('outer', { cause: new Error('inner', { cause: 'a string' }) });
  assert.equal(errorText(chain), 'outer: inner: a string');
  assert.equal(errorText(new Error('x'.repeat(5000))).length, 1000);
  const circle = new Error('round');
  circle.cause = circle;
  assert.equal(errorText(circle), 'round: round: round: round: round');
  assert.equal(errorText(undefined), '');
});
