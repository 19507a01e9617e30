// Reads what became of a message: by id, with everything that is known, or by address, the newest messages from or to it.
// For `trace`, which opens the database read-only, and for the console.

import { isCopyId, isMailId, mailIdOf } from '../mail/mail-id.ts';
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
export async function traceByAddress(store: Reader, address: string, limit: number): Promise<readonly TracedLine[]> {
  const key = addressKey(address.replace(/^<(.*)>$/s, '$1'));
  const lines = await Promise.all([
    lineRows(store, limit, { column: 'c.rcpt_key', value: key }),
    lineRows(store, limit, { column: 'm.mail_from_key', value: key }),
    lineRows(store, limit, { column: 'm.client_address', value: key }),
    lineRows(store, limit, { column: 'm.message_id', value: address }),
    lineRows(store, limit, { column: 'm.message_id', value: `<${address.replace(/^<(.*)>$/s, '$1')}>` }),
  ]);
  const once = new Map(lines.flat().map(({ copy_id, ...line }) => [copy_id, line]));
  return [...once]
    .sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0))
    .slice(0, limit)
    .map(([, line]) => line);
}

interface Match {
  readonly column: 'c.rcpt_key' | 'm.mail_from_key' | 'm.client_address' | 'm.message_id';
  readonly value: string;
}

/** One query a column: each then walks one index from its newest end. */
function lineRows(store: Reader, limit: number, match: Match): Promise<readonly (TracedLine & { copy_id: string })[]> {
  return store.read(db =>
    db
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
      ])
      .where(match.column, '=', match.value)
      .orderBy(match.column === 'c.rcpt_key' ? 'c.message_id' : 'm.id', 'desc')
      .limit(limit),
  );
}
