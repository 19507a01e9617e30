// The file beside a message's bytes: who sent it, to whom, its size and digest. Spool and quarantine write it and read it
// back; from it a database row can be rebuilt. It is ours, but it may be damaged: what is read is checked.

import type { Address } from '../mail/address.ts';
import type { Envelope, Recipient } from '../mail/envelope.ts';
import { isMailId } from '../mail/mail-id.ts';
import type { SpoolEntry } from '../mail/ports.ts';
import type { Session } from '../mail/session.ts';

const VERSION = 1;

/** An envelope of 10,000 recipients of 2 KB each; nothing honest is larger. */
export const ENVELOPE_FILE_MAX = 32 * 1024 * 1024;

export function entryText(entry: SpoolEntry): string {
  const { content: _, ...kept } = entry;
  return JSON.stringify({ version: VERSION, ...kept });
}

/** The entry whose bytes lie at `path`; throws an Error that says what is damaged. */
export function parseEntry(text: string, path: string): SpoolEntry {
  return entryOf(JSON.parse(text), path);
}

/** The same from a value that was read as part of a larger file. */
export function entryOf(value: unknown, path: string): SpoolEntry {
  const file = fields(value, 'envelope file');
  if (file.version !== VERSION) throw new Error(`envelope file of version ${String(file.version)}`);
  const id = string(file.id, 'id');
  if (!isMailId(id)) throw new Error('no valid id');
  const sha256 = string(file.sha256, 'sha256');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error('no valid sha256');
  return {
    id,
    session: session(file.session),
    envelope: envelope(file.envelope),
    content: { path },
    sizeBytes: number(file.sizeBytes, 'sizeBytes'),
    sha256,
    receivedAt: number(file.receivedAt, 'receivedAt'),
  };
}

function session(value: unknown): Session {
  const { id, clientAddress, clientPort, ptr, helo, esmtp, tls, listener, direction, startedAt } = fields(
    value,
    'session',
  );
  if (direction !== 'incoming' && direction !== 'outgoing') throw new Error('session: no valid direction');
  return {
    id: string(id, 'session id'),
    clientAddress: string(clientAddress, 'clientAddress'),
    clientPort: number(clientPort, 'clientPort'),
    ptr: ptr === null ? null : string(ptr, 'ptr'),
    helo: string(helo, 'helo'),
    esmtp: esmtp === true,
    tls: tls === null ? null : tlsInfo(tls),
    listener: string(listener, 'listener'),
    direction,
    startedAt: number(startedAt, 'startedAt'),
  };
}

function tlsInfo(value: unknown): Session['tls'] {
  const { version, cipher } = fields(value, 'tls');
  return { version: string(version, 'tls version'), cipher: string(cipher, 'cipher') };
}

function envelope(value: unknown): Envelope {
  const { mailFrom, rcptTo, smtpUtf8, body, declaredSize } = fields(value, 'envelope');
  if (!Array.isArray(rcptTo)) throw new Error('envelope: no recipients');
  const from = fields(mailFrom, 'mailFrom');
  return {
    mailFrom: {
      raw: string(from.raw, 'mailFrom'),
      address: from.address === null ? null : address(from.address),
    },
    rcptTo: rcptTo.map(recipient),
    smtpUtf8: smtpUtf8 === true,
    body: body === '8BITMIME' ? '8BITMIME' : '7BIT',
    declaredSize: declaredSize === null ? null : number(declaredSize, 'declaredSize'),
  };
}

function recipient(value: unknown): Recipient {
  const found = fields(value, 'recipient');
  return { raw: string(found.raw, 'recipient'), address: address(found.address) };
}

function address(value: unknown): Address {
  const { localPart, domain, text } = fields(value, 'address');
  return { localPart: string(localPart, 'localPart'), domain: string(domain, 'domain'), text: string(text, 'address') };
}

function fields(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return { ...value };
}

function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no text`);
  return value;
}

function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${what} is no number`);
  return value;
}
