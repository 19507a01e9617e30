import assert from 'node:assert/strict';
import { test } from 'node:test';

import { turnedAwayCounter } from '../../../src/assembly/turned-away.ts';
import { createLog } from '../../../src/platform/log.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { waitFor } from '../../support/wait-for.ts';

test('a flood of refused connections is counted by reason, and is two lines of log', async () => {
  const metrics = createMetrics();
  const lines: { reason?: string; connections?: number; example?: string }[] = [];
  const count = turnedAwayCounter(
    metrics,
    createLog('info', line => void lines.push(JSON.parse(line))),
    20,
  );
  for (let i = 0; i < 1000; i++) count('full', `192.0.2.${i % 250}`);
  count('rate', '198.51.100.1');
  await waitFor('both lines', () => lines.length >= 2);
  assert.deepEqual(
    lines.map(({ reason, connections, example }) => [reason, connections, example]),
    [
      ['full', 1000, '192.0.2.0'],
      ['rate', 1, '198.51.100.1'],
    ],
  );
  const text = await metrics.text();
  assert.match(text, /^postern_connections_refused_total\{reason="full"\} 1000$/m);
  assert.match(text, /^postern_connections_refused_total\{reason="rate"\} 1$/m);
  count('full', '192.0.2.7');
  await waitFor('a line for what came later', () => lines.length === 3);
});
