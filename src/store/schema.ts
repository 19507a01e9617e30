// The tables, as the typed queries see them. Times are epoch milliseconds, flags 0 or 1, JSON is text. A row carries the
// version of its form, so that during a rolling upgrade a newer one is recognised. migrations.ts makes the tables.

import type { Generated, Selectable } from 'kysely';

import type { State } from '../mail/disposition.ts';

/** The form of the rows written now. */
export const ROW_VERSION = 1;

export interface MessageRow {
  id: string;
  row_version: number;
  session_id: string;
  started_at: number;
  /** null where no message came. */
  received_at: number | null;
  ended_at: number;
  client_address: string;
  client_port: number;
  ptr: string | null;
  helo: string;
  tls: string | null;
  listener: string;
  direction: string;
  mail_from_raw: string;
  /** '' is the null sender. */
  mail_from: string;
  /** In lower case, to be found by. */
  mail_from_key: string;
  size_bytes: number | null;
  sha256: string | null;
  message_id: string;
  subject: string;
  /** JSON: addresses of the From fields. */
  header_from: string;
  outcome: string | null;
  score: number | null;
  policy: string;
  /** JSON: reasons of the verdict. */
  reasons: string;
  rules_digest: string;
  reply: string;
  next_hop: string;
  /** JSON: findings, bounded. */
  findings: string;
  /** JSON: `{steps, scanners}`. */
  ms: string;
}

export interface CopyRow {
  copy_id: string;
  message_id: string;
  row_version: number;
  /** Counts changes: who wants to change a copy names the number it has read (compare and swap). */
  version: number;
  rcpt_raw: string;
  rcpt: string;
  rcpt_key: string;
  state: State;
  words: string;
  host: string;
  updated_at: number;
  /** How often a release was tried. */
  attempts: number;
}

/** What happened to a message or a copy, in order; never changed. */
interface EventTable {
  event_id: Generated<number>;
  message_id: string;
  copy_id: string | null;
  at: number;
  who: string;
  what: string;
  words: string;
}

export type EventRow = Selectable<EventTable>;

/** The bytes in quarantine, once a message. */
export interface HoldingRow {
  message_id: string;
  row_version: number;
  held_at: number;
  /** The header block that goes on top at release. */
  stamp: string;
  size_bytes: number;
  sha256: string;
  /** The bytes were found missing or changed: what was found; '' while all is well. */
  damage: string;
}

/** One recipient's copy in quarantine; its state stands in copies. */
export interface ItemRow {
  copy_id: string;
  message_id: string;
  row_version: number;
  class: string;
  held_at: number;
}

/** Single-use marks of released copies. */
export interface ReleaseMarkRow {
  copy_id: string;
  attempt: number;
  made_at: number;
  used_at: number | null;
}

export interface MigrationRow {
  version: number;
  applied_at: number;
}

export interface Schema {
  messages: MessageRow;
  copies: CopyRow;
  events: EventTable;
  holdings: HoldingRow;
  items: ItemRow;
  release_marks: ReleaseMarkRow;
  migrations: MigrationRow;
}
