// `postern check` judges as the gateway would: without virus signatures the virus scanner has no answer.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { createChecker } from '../../../src/assembly/checker.ts';
import { parseSettings } from '../../../src/config/load.ts';
import { newId, spoolEntry, temporaryFolder } from '../../support/sample-record.ts';

test('I8: without virus signatures on this host a check says that the virus scanner has no answer', async t => {
  const folder = await temporaryFolder(t);
  const settings = parseSettings(
    join(folder, 'postern.yaml'),
    [
      'domains: {example.org: {nextHop: "smtp://192.0.2.1"}}',
      'scanners: {senderAuth: {enabled: false}, dnsLists: {enabled: false}}',
    ].join('\n'),
  );
  // Without a byte there is nothing to ask clamd: what remains is what it was started with.
  const entry = { ...spoolEntry(newId()), content: { bytes: Buffer.alloc(0) }, sizeBytes: 0 };
  const reasons = async () => {
    const checker = await createChecker({ settings, offline: false, replay: null, signatures: folder });
    try {
      const { findings } = await checker.judge(entry);
      return findings.flatMap(finding => (finding.kind === 'unavailable' ? [finding.reason] : []));
    } finally {
      await checker.close();
    }
  };
  assert.deepEqual(await reasons(), ['no virus signatures: run freshclam']);
  writeFileSync(join(folder, 'daily.cvd'), 'x'.repeat(1000));
  assert.deepEqual(await reasons(), []);
});
