// The file beside a held message's bytes: the whole record and the header block, so that its rows can be made again when
// the database was lost. It is ours, but it may be damaged: what is read is checked before it becomes rows.

import { isCopyId } from '../mail/mail-id.ts';
import type { LedgerRecord, SpoolEntry } from '../mail/ports.ts';
import { entryOf, entryText } from '../spool/envelope-file.ts';

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
  if (typeof stamp !== 'string' || typeof heldAt !== 'number') throw new Error('no stamp or time');
  const entry = entryOf(rawEntry, path);
  const rest: unknown = object(record, 'record');
  if (!isRecord(rest) || rest.id !== entry.id) throw new Error('the record is damaged');
  return {
    record: { ...rest, entry, session: entry.session, mailFrom: entry.envelope.mailFrom },
    stamp,
    heldAt,
  };
}

type KeptRecord = Omit<LedgerRecord, 'entry' | 'session' | 'mailFrom'>;

function isRecord(value: unknown): value is KeptRecord {
  const { startedAt, endedAt, report, verdict, nextHop, reply, copies, ms } = object(value, 'record');
  if (typeof startedAt !== 'number' || typeof endedAt !== 'number') return false;
  if (typeof nextHop !== 'string' || typeof reply !== 'string') return false;
  if (report !== null && !Array.isArray(object(report, 'report').findings)) return false;
  if (verdict !== null && !Array.isArray(object(verdict, 'verdict').reasons)) return false;
  object(ms, 'times');
  return Array.isArray(copies) && copies.length > 0 && copies.every(isCopy);
}

function isCopy(value: unknown): boolean {
  const { copyId, recipient, disposition } = object(value, 'copy');
  const { raw, address } = object(recipient, 'recipient');
  const { state, words, host } = object(disposition, 'disposition');
  const texts = [copyId, raw, object(address, 'address').text, state, words, host];
  return texts.every(text => typeof text === 'string') && isCopyId(String(copyId));
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return { ...value };
}
