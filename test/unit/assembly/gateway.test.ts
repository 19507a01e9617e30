import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayCounters } from '../../../src/assembly/gateway.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';

test('each recipient is counted by what became of it', async () => {
  const metrics = createMetrics();
  const { recipients } = gatewayCounters(metrics, silentLog());
  recipients(['relayed', 'refused', 'relayed']);
  recipients(['deferred']);
  const text = await metrics.text();
  assert.match(text, /^postern_recipients_total\{state="relayed"\} 2$/m);
  assert.match(text, /^postern_recipients_total\{state="refused"\} 1$/m);
  assert.match(text, /^postern_recipients_total\{state="deferred"\} 1$/m);
});
