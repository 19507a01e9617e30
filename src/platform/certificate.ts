// The certificate for STARTTLS where the administrator has named none: self-signed, made once with the openssl program
// and kept. Opportunistic TLS asks for no more (RFC 7435); who verifies us needs a certificate of their own choosing.

import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeFolder } from './safe-file.ts';

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

const run = promisify(execFile);
const OPENSSL_MS = 30_000;
const DAYS = '3650';

/** The certificate of `folder`, made at the first call. `hostname` is a valid host name: it goes into the subject. */
export async function selfSigned(folder: string, hostname: string): Promise<Certificate> {
  const files = { certificate: join(folder, 'self-signed.crt'), key: join(folder, 'self-signed.key') };
  const kept = await readCertificate(files).catch(() => null);
  if (kept !== null) return kept;
  await makeFolder(folder);
  const subject = ['-subj', `/CN=${hostname.slice(0, 64)}`, '-addext', `subjectAltName=DNS:${hostname}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key];
  await run('openssl', ['req', '-x509', ...key, '-out', files.certificate, '-days', DAYS, ...subject], {
    timeout: OPENSSL_MS,
  });
  await chmod(files.key, 0o600);
  return readCertificate(files);
}

/** Reads both files; rejects where one is missing or damaged, and where the key is not the certificate's. */
export async function readCertificate(files: { certificate: string; key: string }): Promise<Certificate> {
  const [certificate, key] = await Promise.all([readFile(files.certificate, 'utf8'), readFile(files.key, 'utf8')]);
  // Known here, and not in the middle of a reload, when the listeners take it.
  const isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  if (!isPair) throw new Error(`the key in ${files.key} is not that of the certificate in ${files.certificate}`);
  return { certificate, key };
}
