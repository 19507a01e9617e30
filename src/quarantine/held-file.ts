// The file beside a held message's bytes: the whole record and the header block, so that its rows can be made again when
// the database was lost. It is ours, but it may be damaged: what is read is checked before it becomes rows.

import type { LedgerRecord, SpoolEntry } from '../mail/ports.ts';
import { entryOf, entryText } from '../spool/envelope-file.ts';
import { object, recordOf, sameAddress, string, time } from './held-record.ts';

const VERSION = 1;

/** A record of a message that is held. */
export type HeldRecord = LedgerRecord & { readonly entry: SpoolEntry };

export interface HeldFile {
  readonly record: HeldRecord;
  readonly stamp: string;
  readonly heldAt: number;
}

export function heldText({ record, stamp, heldAt }: HeldFile): string {
  const { entry, session: _, mailFrom: _from, ...rest } = record;
  return JSON.stringify({ version: VERSION, heldAt, stamp, entry: JSON.parse(entryText(entry)), record: rest });
}

/** Throws an Error that says what is damaged. */
export function parseHeld(text: string, path: string): HeldFile {
  const { version, heldAt, stamp, entry: rawEntry, record } = object(JSON.parse(text), 'file');
  if (version !== VERSION) throw new Error(`held file of version ${String(version)}`);
  const entry = entryOf(rawEntry, path);
  const { session, envelope } = entry;
  time(entry.receivedAt, 'receivedAt');
  time(session.startedAt, 'session');
  for (const address of [envelope.mailFrom.address, ...envelope.rcptTo.map(one => one.address)]) {
    if (address !== null) sameAddress(address);
  }
  return {
    record: { ...recordOf(record, entry.id), entry, session, mailFrom: envelope.mailFrom },
    stamp: stampOf(stamp),
    heldAt: time(heldAt, 'heldAt'),
  };
}

/**
 * It goes on top of the message at a release: whole header fields or nothing (RFC 5322 section 2.2). The gateway ends it
 * with an empty line where the message's own first line would continue it.
 */
const HEADER_BLOCK = /^(?:(?:[!-9;-~]+:[^\r\n\0]*\r\n(?:[ \t][^\r\n\0]*\r\n)*)+(?:\r\n)?)?$/;

function stampOf(value: unknown): string {
  const stamp = string(value, 'stamp');
  if (!HEADER_BLOCK.test(stamp)) throw new Error('the stamp is no header block');
  return stamp;
}
