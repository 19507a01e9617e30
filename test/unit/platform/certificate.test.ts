// The certificate for STARTTLS: made once, kept, and refused where it cannot work.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readCertificate, selfSigned } from '../../../src/platform/certificate.ts';

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-certificate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('a self-signed certificate is made once and then kept', async t => {
  const folder = folderOf(t);
  const first = await selfSigned(folder, 'mx.example.org');
  assert.deepEqual(await selfSigned(folder, 'mx.example.org'), first);
});

test('a self-signed certificate that was damaged is made anew', async t => {
  const folder = folderOf(t);
  const first = await selfSigned(folder, 'mx.example.org');
  writeFileSync(join(folder, 'self-signed.crt'), first.certificate.slice(0, 200));
  assert.notEqual((await selfSigned(folder, 'mx.example.org')).certificate, first.certificate);
});

test('a key that is not the one of the certificate is found when both are read', async t => {
  const one = folderOf(t);
  const other = folderOf(t);
  await Promise.all([selfSigned(one, 'mx.example.org'), selfSigned(other, 'mx.example.org')]);
  const files = { certificate: join(one, 'self-signed.crt'), key: join(other, 'self-signed.key') };
  await assert.rejects(readCertificate(files), /is not that of the certificate/);
  await assert.rejects(readCertificate({ ...files, key: files.certificate }));
});
