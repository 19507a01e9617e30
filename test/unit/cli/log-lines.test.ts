import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readableLine } from '../../../src/cli/log-lines.ts';
import { createLog } from '../../../src/platform/log.ts';

function lineOf(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = [];
  write(createLog('debug', line => lines.push(readableLine(line))));
  return lines.join('');
}

test('a line of the log is a line to read on a terminal', () => {
  const line = lineOf(log => log.warn({ host: 'smtp://10.0.0.5:25', error: 'no answer' }, 'next hop: host failed'));
  assert.match(
    line,
    /^\d\d:\d\d:\d\d warn {3}next hop: host failed {2}host=smtp:\/\/10\.0\.0\.5:25 error="no answer"\n$/,
  );
  assert.match(
    lineOf(log => log.info({}, 'ready')),
    /^\d\d:\d\d:\d\d info {3}ready\n$/,
  );
});

test('what a client has sent cannot move the cursor, break the line or fill the screen', () => {
  const line = lineOf(log => log.info({ from: '\u001b[2Ja\nb@c.example', list: ['x'.repeat(5000)] }, 'mail'));
  // Colours are off here: no escape may be left.
  assert.doesNotMatch(line.slice(0, -1), /[\x00-\x1f\x7f]/);
  assert.ok(line.length < 1200, `${line.length}`);
});

test('what is no JSON stays as it is', () => assert.equal(readableLine('plain\n'), 'plain\n'));
