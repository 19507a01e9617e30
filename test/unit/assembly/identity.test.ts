import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateOf } from '../../../src/assembly/identity.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { selfSigned } from '../../../src/platform/certificate.ts';
import { BadFile } from '../../../src/platform/problem.ts';

test('I9: files that are no pair of certificate and key are told as any bad file', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-pair-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['a', 'b']) await selfSigned(join(folder, name), 'mx.example.org');
  const file = (name: string, end: string) => join(folder, name, `self-signed.${end}`);
  const settings = (certificate: string, key: string) =>
    ({ data: folder, hostname: 'mx.example.org', tls: { certificate, key } }) as Settings;
  const pair = await certificateOf(settings(file('a', 'crt'), file('a', 'key')));
  assert.match(pair.certificate, /BEGIN CERTIFICATE/);
  for (const wrong of [settings(file('a', 'crt'), file('b', 'key')), settings(file('a', 'crt'), file('none', 'key'))]) {
    await assert.rejects(certificateOf(wrong), (error: unknown) => {
      assert.ok(error instanceof BadFile);
      assert.match(error.message, /self-signed\.crt:1:1: this certificate cannot be used: .*\n.*belong together/s);
      return true;
    });
  }
});
