// Reads what became of a message: by id, with everything that is known, or by address, the newest messages from or to it.
// For `trace`, which opens the database read-only, and for the console.

import { isCopyId, isMailId, type MailId, mailId, mailIdOf } from '../mail/mail-id.ts';
import type { Queries } from '../store/queries.ts';
import { addressKey } from '../store/record-rows.ts';
import type { CopyRow, EventRow, MessageRow } from '../store/schema.ts';
import type { Reader } from '../store/store.ts';

/** Events shown of one message: a copy has few, but a message may have thousands of copies. */
const EVENTS_MAX = 2000;
const COPIES_MAX = 5000;

/** Everything known about one message. */
export interface Traced {
  readonly message: MessageRow;
  readonly copies: readonly CopyRow[];
  readonly events: readonly EventRow[];
}

/** One line of a list. */
export interface TracedLine {
  readonly id: string;
  readonly startedAt: number;
  readonly clientAddress: string;
  readonly mailFrom: string;
  readonly rcptTo: string;
  readonly subject: string;
  readonly outcome: string | null;
  readonly score: number | null;
  readonly state: string;
  readonly words: string;
  /** The next hop's words, or the first reason of the verdict. */
  readonly why: string;
}

export interface Which {
  readonly limit: number;
  /** Epoch milliseconds; older messages are not looked at. */
  readonly since?: number;
}

/** By the id of a message or of a copy; null where there is none. */
export async function traceById(store: Reader, id: string): Promise<Traced | null> {
  const messageId = isCopyId(id) ? mailIdOf(id) : id;
  if (!isMailId(messageId)) return null;
  const [message] = await store.read(db => db.selectFrom('messages').selectAll().where('id', '=', messageId));
  if (message === undefined) return null;
  const copies = await store.read(db =>
    db.selectFrom('copies').selectAll().where('message_id', '=', messageId).limit(COPIES_MAX),
  );
  const events = await store.read(db =>
    db.selectFrom('events').selectAll().where('message_id', '=', messageId).orderBy('event_id').limit(EVENTS_MAX),
  );
  const place = (copy: CopyRow) => Number(copy.copy_id.slice(copy.copy_id.indexOf('-') + 1));
  return { message, copies: [...copies].sort((a, b) => place(a) - place(b)), events };
}

/** The newest copies first whose sender or recipient is this address, whose client is it (an IP), or whose Message-ID. */
export async function traceByAddress(store: Reader, address: string, which: Which): Promise<readonly TracedLine[]> {
  const key = addressKey(address.replace(/^<(.*)>$/s, '$1'));
  const rows = await Promise.all([
    lineRows(store, which, { column: 'c.rcpt_key', value: key }),
    lineRows(store, which, { column: 'm.mail_from_key', value: key }),
    lineRows(store, which, { column: 'm.client_address', value: key }),
    lineRows(store, which, { column: 'm.message_id', value: address }),
    lineRows(store, which, { column: 'm.message_id', value: `<${address.replace(/^<(.*)>$/s, '$1')}>` }),
  ]);
  const once = new Map(rows.flat().map(row => [row.copy_id, row]));
  return [...once]
    .sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0))
    .slice(0, which.limit)
    .map(([, row]) => lineOf(row));
}

/**
 * The newest copies first whose next hop said this, such as its queue id; letters in any case. No index leads there: it
 * reads the records from their newest end, about a second for a million.
 */
export async function traceByWords(store: Reader, words: string, which: Which): Promise<readonly TracedLine[]> {
  const rows = await store.read(db =>
    lines(db)
      .where(({ eb, fn, val }) => eb(fn('instr', [fn('lower', ['c.words']), val(words.toLowerCase())]), '>', 0))
      .where('c.message_id', '>=', firstOf(which))
      .orderBy('c.message_id', 'desc')
      .limit(which.limit),
  );
  return rows.map(lineOf);
}

interface Match {
  readonly column: 'c.rcpt_key' | 'm.mail_from_key' | 'm.client_address' | 'm.message_id';
  readonly value: string;
}

type LineRow = Omit<TracedLine, 'why'> & { copy_id: string; reply: string; reasons: string };

/** One query a column: each then walks one index from its newest end. */
function lineRows(store: Reader, which: Which, match: Match): Promise<readonly LineRow[]> {
  const place = match.column === 'c.rcpt_key' ? 'c.message_id' : 'm.id';
  return store.read(db =>
    lines(db)
      .where(match.column, '=', match.value)
      .where(place, '>=', firstOf(which))
      .orderBy(place, 'desc')
      .limit(which.limit),
  );
}

function lines(db: Queries) {
  return db
    .selectFrom('messages as m')
    .innerJoin('copies as c', 'c.message_id', 'm.id')
    .select([
      'c.copy_id',
      'm.id',
      'm.started_at as startedAt',
      'm.client_address as clientAddress',
      'm.mail_from as mailFrom',
      'c.rcpt as rcptTo',
      'm.subject',
      'm.outcome',
      'm.score',
      'c.state',
      'c.words',
      'm.reply',
      'm.reasons',
    ]);
}

/** The first id that may be told. */
function firstOf({ since = 0 }: Which): MailId {
  return mailId(Math.max(0, since), new Uint8Array(5));
}

/** What we said ourselves has a reason; what the next hop said is one. */
function lineOf({ copy_id: _id, reply, reasons, ...line }: LineRow): TracedLine {
  const why = line.words === reply ? firstReason(reasons) : '';
  return { ...line, why: why === '' ? line.words : why };
}

/** '' where there is none, or the row is damaged. */
export function firstReason(reasons: string): string {
  try {
    const [first]: { text?: unknown }[] = JSON.parse(reasons);
    return typeof first?.text === 'string' ? first.text : '';
  } catch {
    return '';
  }
}
