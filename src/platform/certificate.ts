// The certificate for STARTTLS where the administrator has named none: self-signed, made once with the openssl program
// and kept. Opportunistic TLS asks for no more (RFC 7435); who verifies us needs a certificate of their own choosing.

import { execFile } from 'node:child_process';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorText } from './log.ts';
import { BadFile } from './problem.ts';
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

/** More than all public authorities together. */
const AUTHORITIES_MAX_BYTES = 1024 * 1024;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM file, without what stands around them. Throws BadFile where there is none, or a damaged one. */
export function readAuthorities(file: string): string {
  const bad = (message: string) =>
    new BadFile([
      { file, line: 1, column: 1, message, hint: 'expected a PEM file with certificates of authorities', source: '' },
    ]);
  try {
    if (statSync(file).size > AUTHORITIES_MAX_BYTES) throw bad(`larger than ${AUTHORITIES_MAX_BYTES} bytes`);
    const found = readFileSync(file, 'latin1').match(PEM_CERTIFICATE) ?? [];
    if (found.length === 0) throw bad('no certificate in this file');
    for (const pem of found) new X509Certificate(pem);
    return found.join('\n');
  } catch (error) {
    throw error instanceof BadFile ? error : bad(`it cannot be used: ${errorText(error)}`);
  }
}

/** One of the two files cannot be used; its message says why, and `hint` what to do. */
export class BadCertificate extends Error {
  override readonly name = 'BadCertificate';
  readonly which: 'certificate' | 'key';
  readonly hint: string;

  constructor(which: 'certificate' | 'key', message: string, hint: string) {
    super(message);
    this.which = which;
    this.hint = hint;
  }
}

/** Reads both files; throws BadCertificate where one is missing or damaged, and where the key is not the certificate's. */
export async function readCertificate(files: { certificate: string; key: string }): Promise<Certificate> {
  const certificate = await pemOf(files.certificate, 'certificate');
  const key = await pemOf(files.key, 'key');
  // Known here, and not in the middle of a reload, when the listeners take it.
  if (!parsedCertificate(certificate, files.certificate).checkPrivateKey(parsedKey(key, files.key))) {
    const message = `the key in ${files.key} is not that of the certificate in ${files.certificate}`;
    throw new BadCertificate(
      'key',
      message,
      'the first certificate of its file must be the one that the key was made for',
    );
  }
  return { certificate, key };
}

async function pemOf(file: string, which: 'certificate' | 'key'): Promise<string> {
  return readFile(file, 'utf8').catch(error => {
    throw new BadCertificate(
      which,
      `${file} cannot be read: ${errorText(error)}`,
      'let the user that runs Postern read it',
    );
  });
}

function parsedCertificate(pem: string, file: string): X509Certificate {
  const hint = 'expected a PEM file, with -----BEGIN CERTIFICATE-----';
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new BadCertificate('certificate', `no certificate in ${file}`, hint);
  }
  try {
    return new X509Certificate(pem);
  } catch {
    throw new BadCertificate('certificate', `the certificate in ${file} is damaged`, hint);
  }
}

function parsedKey(pem: string, file: string): KeyObject {
  const hint = 'expected a PEM file, with BEGIN PRIVATE KEY in its first line';
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new BadCertificate('key', `no private key in ${file}`, hint);
  }
  try {
    return createPrivateKey(pem);
  } catch {
    const isEncrypted = /-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem);
    if (!isEncrypted) throw new BadCertificate('key', `the private key in ${file} is damaged`, hint);
    const how = 'nobody is there to type it at the start: take it away with openssl pkey -in FILE -out NEWFILE';
    throw new BadCertificate('key', `the private key in ${file} has a password`, how);
  }
}
