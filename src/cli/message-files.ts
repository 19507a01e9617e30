// Message files for `check`: which there are, and each as the scanners want it (CRLF line ends, an envelope).

import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../mail/address.ts';
import { mailId } from '../mail/mail-id.ts';
import type { Content, SpoolEntry } from '../mail/ports.ts';
import { given, UsageError } from './exit.ts';

/** The client and the envelope that a message is judged with. */
export interface CheckedAs {
  readonly clientAddress: string;
  readonly helo: string;
  readonly mailFrom: Address | null;
  readonly rcptTo: Address;
}

/** Several are judged at once, and every thread has a copy: what is larger goes through a file. */
const IN_MEMORY_MAX = 1024 * 1024;
/** A larger file is no message. */
const FILE_MAX = 1024 * 1024 * 1024;

/** Files as they are named; of folders all files in them, by name, folders below included. Throws UsageError. */
export async function messageFiles(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (path === '-') found.push(path);
    else found.push(...(await filesOf(path)));
  }
  return found;
}

async function filesOf(path: string): Promise<string[]> {
  const what = await stat(path).catch(() => null);
  if (what === null) throw new UsageError(`${given(path)}: there is no such file or folder`);
  if (!what.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort();
}

/** A folder for copies of large files with right line ends; gone afterwards. */
export async function withWorkFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-check-'));
  // Mail must not stay in /tmp when somebody has seen enough: Ctrl-C, or a pipe that closes.
  const clearUp = () => rmSync(folder, { recursive: true, force: true });
  const interrupted = () => process.exit(130);
  process.once('exit', clearUp).once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await work(folder);
  } finally {
    process.off('exit', clearUp).off('SIGINT', interrupted).off('SIGTERM', interrupted);
    clearUp();
  }
}

export async function openedMessage(file: string, folder: string, as: CheckedAs): Promise<SpoolEntry> {
  const bytes = file === '-' ? await standardInput() : await readFile(file);
  if (bytes.length > FILE_MAX) throw new Error(`larger than ${FILE_MAX} bytes`);
  const whole = withCrlf(bytes);
  const id = mailId(Date.now(), randomBytes(5));
  return {
    id,
    content: await kept(whole, join(folder, `${id}.eml`)),
    sizeBytes: whole.length,
    sha256: createHash('sha256').update(whole).digest('hex'),
    receivedAt: Date.now(),
    envelope: {
      mailFrom: { raw: `<${as.mailFrom?.text ?? ''}>`, address: as.mailFrom },
      rcptTo: [{ raw: `<${as.rcptTo.text}>`, address: as.rcptTo }],
      smtpUtf8: false,
      body: '8BITMIME',
      declaredSize: null,
    },
    session: {
      id,
      clientAddress: as.clientAddress,
      clientPort: 0,
      ptr: null,
      helo: as.helo,
      esmtp: true,
      tls: null,
      listener: 'check',
      direction: 'incoming',
      startedAt: Date.now(),
    },
  };
}

async function kept(bytes: Buffer, path: string): Promise<Content> {
  // Not a piece of Node's pool: what crosses to a thread is the whole memory below.
  if (bytes.length <= IN_MEMORY_MAX) return { bytes: new Uint8Array(bytes) };
  await writeFile(path, bytes, { mode: 0o600 });
  return { path };
}

/** As the gateway does with what comes in (I10). */
function withCrlf(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  return /\r(?!\n)|(?<!\r)\n/.test(text) ? Buffer.from(text.replace(/\r\n|\r|\n/g, '\r\n'), 'latin1') : bytes;
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
