// The demo mailbox: a next hop in this very process that delivers into a Maildir, so that a newcomer sees mail arrive.
// It takes every recipient. One file a message, all recipients named on top: either all of them have it or none.

import { randomBytes } from 'node:crypto';
import { access, constants, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { type Recipient, type ReversePath, reversePathText } from '../mail/envelope.ts';
import { HopLost, MailError } from '../mail/error.ts';
import type { Health, HopCapabilities, HopReply, HopTransaction, NextHop } from '../mail/ports.ts';
import { orAborted } from '../platform/deadline.ts';
import { errorText } from '../platform/log.ts';
import { makeFolder, removeFile, syncFolder } from '../platform/safe-file.ts';

import type { MaildirHost } from './host.ts';

const CAPABILITIES: HopCapabilities = { sizeBytes: null, eightBitMime: true, smtpUtf8: true };
const SENDER_OK: HopReply = { code: 250, enhanced: '2.1.0', text: 'Ok' };
const RECIPIENT_OK: HopReply = { code: 250, enhanced: '2.1.5', text: 'Ok' };
const BAD_SEQUENCE: HopReply = { code: 503, enhanced: '5.5.1', text: 'Bad sequence of commands' };
const DISK_FULL: HopReply = { code: 452, enhanced: '4.3.1', text: 'Insufficient storage' };
const NOT_WRITTEN: HopReply = { code: 451, enhanced: '4.3.0', text: 'Mailbox cannot be written' };

export class MaildirHop implements NextHop {
  readonly name: string;
  readonly oneRecipient = false;
  readonly #host: MaildirHost;
  readonly #hostname: string;
  #areFoldersSynced = false;

  constructor(host: MaildirHost, hostname: string) {
    this.name = host.name;
    this.#host = host;
    this.#hostname = hostname;
  }

  capabilities(): HopCapabilities {
    return CAPABILITIES;
  }

  async open(signal: AbortSignal): Promise<HopTransaction> {
    try {
      await orAborted(signal, this.#makeFolders());
    } catch (error) {
      throw new MailError('hopUnreachable', this.name, { cause: error });
    }
    return new MaildirTransaction(this.#host, this.#hostname);
  }

  async health(): Promise<Health> {
    const part = 'next hop';
    try {
      await this.#makeFolders();
      await access(join(this.#host.folder, 'tmp'), constants.W_OK);
      return { part, level: 'ok', says: `demo mailbox ${this.#host.folder}`, next: '' };
    } catch (error) {
      const next = 'make the folder writable for the user that runs postern';
      return { part, level: 'down', says: `${this.name}: ${errorText(error)}`, next };
    }
  }

  async close(): Promise<void> {}

  async #makeFolders(): Promise<void> {
    const { folder } = this.#host;
    for (const name of ['tmp', 'new', 'cur']) await makeFolder(join(folder, name));
    if (this.#areFoldersSynced) return;
    // A power cut must not take the folder away from under a message that was acknowledged.
    await syncFolder(folder);
    await syncFolder(dirname(folder));
    this.#areFoldersSynced = true;
  }
}

class MaildirTransaction implements HopTransaction {
  readonly host: string;
  readonly capabilities = CAPABILITIES;
  readonly #folder: string;
  readonly #hostname: string;
  #mailFrom: ReversePath | null = null;
  #rcptTo: Recipient[] = [];

  constructor(host: MaildirHost, hostname: string) {
    this.host = host.name;
    this.#folder = host.folder;
    this.#hostname = hostname;
  }

  async mail(from: ReversePath): Promise<HopReply> {
    if (this.#mailFrom !== null) return BAD_SEQUENCE;
    this.#mailFrom = from;
    return SENDER_OK;
  }

  async rcpt(recipient: Recipient): Promise<HopReply> {
    if (this.#mailFrom === null) return BAD_SEQUENCE;
    this.#rcptTo.push(recipient);
    return RECIPIENT_OK;
  }

  async data(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<HopReply> {
    if (this.#mailFrom === null || this.#rcptTo.length === 0) return BAD_SEQUENCE;
    const head = deliveryHeaders(this.#mailFrom, this.#rcptTo);
    [this.#mailFrom, this.#rcptTo] = [null, []];
    const name = uniqueName(this.#hostname);
    const temporary = join(this.#folder, 'tmp', name);
    try {
      await write(temporary, head, guarded(body, signal));
      // Until here the client may go or time out and nothing was delivered; this is our dot.
      signal.throwIfAborted();
      await rename(temporary, join(this.#folder, 'new', name));
    } catch (error) {
      await removeFile(temporary).catch(() => undefined);
      return refusalOf(error, this.host);
    }
    try {
      await syncFolder(join(this.#folder, 'new'));
    } catch (error) {
      throw new HopLost(true, `${this.host}: renamed, but not known to be on disk`, { cause: error });
    }
    return { code: 250, enhanced: '2.0.0', text: `Ok: queued as ${name}` };
  }

  release(): void {}
}

/** What the body or the signal did, as opposed to what the disk did. */
class SourceFailed extends Error {
  override readonly name = 'SourceFailed';
}

/** RFC 5321 4.4: final delivery puts Return-Path on top. Our Maildir keeps CRLF, so that not a byte is changed. */
function deliveryHeaders(from: ReversePath, rcptTo: readonly Recipient[]): string {
  const lines = [
    `Return-Path: ${reversePathText(from)}`,
    ...rcptTo.map(({ address }) => `Delivered-To: ${address.text}`),
  ];
  return lines.map(line => `${line.replace(/[\x00-\x1f\x7f]/g, '?')}\r\n`).join('');
}

/** Time, process and chance, as the Maildir convention has it; the host's own characters that matter are replaced. */
function uniqueName(hostname: string): string {
  const now = Date.now();
  const host = hostname.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 100);
  return `${Math.floor(now / 1000)}.M${(now % 1000) * 1000}P${process.pid}R${randomBytes(8).toString('hex')}.${host}`;
}

async function* guarded(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.asyncIterator]();
  let isDone = false;
  try {
    for (;;) {
      const next = await orAborted(signal, source.next());
      isDone = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    isDone = true;
    throw error instanceof MailError ? error : new SourceFailed('the message ended before its end', { cause: error });
  } finally {
    if (!isDone) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}

async function write(path: string, head: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(head);
    for await (const chunk of body) await file.writeFile(chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

function refusalOf(error: unknown, host: string): HopReply {
  if (error instanceof MailError) throw error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT') return DISK_FULL;
  if (typeof code === 'string') return NOT_WRITTEN;
  throw new HopLost(false, `${host}: nothing was delivered`, { cause: error });
}
