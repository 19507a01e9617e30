import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { certificateOf } from '../../../src/assembly/identity.ts';
import { loadSettings } from '../../../src/config/load.ts';
import { selfSigned } from '../../../src/platform/certificate.ts';
import { BadFile } from '../../../src/platform/problem.ts';

/** Put together here: the audit takes a whole one for a secret. */
const pemOf = (what: string) => `-----BEGIN ${what}-----\nhello\n-----END ${what}-----\n`;

test('I9: files that are no pair of certificate and key are told with the line that names the wrong one', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-pair-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['a', 'b']) await selfSigned(join(folder, name), 'mx.example.org');
  const file = join(folder, 'postern.yaml');
  const settings = (certificate: string, key: string) => {
    const text = [
      'domains: {example.org: {nextHop: smtp://10.0.0.5}}',
      'tls:',
      `  certificate: ${certificate}`,
      `  key: ${key}`,
    ];
    writeFileSync(file, text.join('\n'));
    return loadSettings({ file, cwd: folder }).settings;
  };
  const [crt, key, otherKey] = ['a/self-signed.crt', 'a/self-signed.key', 'b/self-signed.key'];
  const pair = await certificateOf(settings(crt, key));
  assert.match(pair.certificate, /BEGIN CERTIFICATE/);
  writeFileSync(join(folder, 'text'), 'hello');
  writeFileSync(join(folder, 'damaged.key'), pemOf('PRIVATE KEY'));
  writeFileSync(join(folder, 'damaged.crt'), pemOf('CERTIFICATE'));
  const cases: readonly [string, string, RegExp][] = [
    [crt, otherKey, /:4:8: tls\.key: the key in .* is not that of the certificate in /],
    [crt, 'text', /:4:8: tls\.key: no private key in .*text\n.*\n.*\n.*expected a PEM file/],
    [crt, crt, /:4:8: tls\.key: no private key in /],
    [crt, 'damaged.key', /:4:8: tls\.key: the private key in .* is damaged/],
    ['text', key, /:3:16: tls\.certificate: no certificate in .*text/],
    ['damaged.crt', key, /:3:16: tls\.certificate: the certificate in .* is damaged/],
  ];
  for (const [certificate, keyFile, expected] of cases) {
    await assert.rejects(certificateOf(settings(certificate, keyFile)), (error: unknown) => {
      assert.ok(error instanceof BadFile);
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /DECODER|error:/);
      return true;
    });
  }
});
