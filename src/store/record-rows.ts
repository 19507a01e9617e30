// A LedgerRecord as rows. The ledger writes them alone, the quarantine in one commit with its own: that is why they are
// made here. What comes from mail is cut to a named length, so that no message can fill the database.

import type { CopyRecord, LedgerRecord } from '../mail/ports.ts';
import { insertion, type Queries, type Step } from './queries.ts';
import { type CopyRow, type EventRow, type MessageRow, ROW_VERSION } from './schema.ts';

/** Raw MAIL and RCPT arguments: RFC 5321 4.5.3.1.4 allows 512, extensions add to it. */
const RAW_MAX = 2000;
/** A server's words. */
const WORDS_MAX = 2000;
const SUBJECT_MAX = 500;
/** Findings of one message as JSON; what is beyond is left out and counted. */
const FINDINGS_MAX = 64 * 1024;
/** Rows in one INSERT: 12 columns each, SQLite takes 32,766 parameters. */
const ROWS_PER_INSERT = 500;
/** Who did what Postern does by itself. */
export const POSTERN = 'postern';

/** The steps that write a record; with the time of the events they begin with. */
export function recordSteps(db: Queries, record: LedgerRecord): Step[] {
  return [
    insertion(db, 'messages', [messageRow(record)]),
    ...pieces(record.copies).map(copies =>
      insertion(
        db,
        'copies',
        copies.map(copy => copyRow(record, copy)),
      ),
    ),
    ...pieces(eventsOf(record)).map(events => insertion(db, 'events', events)),
  ];
}

export type NewEvent = Omit<EventRow, 'event_id'>;

/** One more line of a message's history. */
export function eventStep(db: Queries, event: NewEvent): Step {
  return db.insertInto('events').values({ ...event, words: cut(event.words, WORDS_MAX) });
}

export function addressKey(address: string): string {
  return address.toLowerCase();
}

function messageRow(record: LedgerRecord): MessageRow {
  const { session, mailFrom, entry, report, verdict } = record;
  const summary = report?.summary ?? null;
  const sender = mailFrom.address?.text ?? '';
  return {
    id: record.id,
    row_version: ROW_VERSION,
    session_id: session.id,
    started_at: record.startedAt,
    received_at: entry?.receivedAt ?? null,
    ended_at: record.endedAt,
    client_address: session.clientAddress,
    client_port: session.clientPort,
    ptr: session.ptr,
    helo: cut(session.helo, RAW_MAX),
    tls: session.tls === null ? null : `${session.tls.version} ${session.tls.cipher}`,
    listener: session.listener,
    direction: session.direction,
    mail_from_raw: cut(mailFrom.raw, RAW_MAX),
    mail_from: sender,
    mail_from_key: addressKey(sender),
    size_bytes: entry?.sizeBytes ?? null,
    sha256: entry?.sha256 ?? null,
    message_id: cut(summary?.messageId ?? '', SUBJECT_MAX),
    subject: cut(summary?.subject ?? '', SUBJECT_MAX),
    header_from: JSON.stringify((summary?.from ?? []).slice(0, 10).map(address => cut(address, SUBJECT_MAX))),
    outcome: verdict?.outcome ?? null,
    score: finite(verdict?.score ?? report?.score ?? null),
    policy: verdict?.policy ?? '',
    reasons: boundedJson(verdict?.reasons ?? []),
    rules_digest: report?.rulesDigest ?? '',
    reply: cut(record.reply, WORDS_MAX),
    next_hop: record.nextHop,
    findings: boundedJson(report?.findings ?? []),
    ms: JSON.stringify({ steps: record.ms, scanners: report?.ms ?? {} }),
  };
}

function copyRow(record: LedgerRecord, copy: CopyRecord): CopyRow {
  return {
    copy_id: copy.copyId,
    message_id: record.id,
    row_version: ROW_VERSION,
    version: 1,
    rcpt_raw: cut(copy.recipient.raw, RAW_MAX),
    rcpt: copy.recipient.address.text,
    rcpt_key: addressKey(copy.recipient.address.text),
    state: copy.disposition.state,
    words: cut(copy.disposition.words, WORDS_MAX),
    host: copy.disposition.host,
    updated_at: record.endedAt,
    attempts: 0,
  };
}

/** The first state of each copy, for `copies` knows only the last; and the notes. */
function eventsOf(record: LedgerRecord): NewEvent[] {
  const base = { message_id: record.id, at: record.endedAt, who: POSTERN };
  const notes = (record.notes ?? []).map(note => ({
    ...base,
    copy_id: null,
    what: 'note',
    words: cut(note, WORDS_MAX),
  }));
  const states = record.copies.map(({ copyId, disposition }) => ({
    ...base,
    copy_id: copyId,
    what: disposition.state,
    words: cut(disposition.words, WORDS_MAX),
  }));
  return [...notes, ...states];
}

/** As many of the list as fit into FINDINGS_MAX characters of JSON; then one that says how many are missing. */
function boundedJson(list: readonly object[]): string {
  const items: string[] = [];
  let size = 2;
  for (const one of list) {
    const item = JSON.stringify(one);
    size += item.length + 1;
    if (size > FINDINGS_MAX) {
      items.push(JSON.stringify({ kind: 'cut', missing: list.length - items.length }));
      break;
    }
    items.push(item);
  }
  return `[${items.join(',')}]`;
}

function pieces<T>(list: readonly T[]): readonly (readonly T[])[] {
  const found: (readonly T[])[] = [];
  for (let at = 0; at < list.length; at += ROWS_PER_INSERT) found.push(list.slice(at, at + ROWS_PER_INSERT));
  return found;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}

function finite(score: number | null): number | null {
  return score !== null && Number.isFinite(score) ? score : null;
}
