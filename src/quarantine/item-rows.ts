// The rows of held messages: how they are written with the record in one commit, and how items are read back.

import type { State } from '../mail/disposition.ts';
import type { CopyId } from '../mail/mail-id.ts';
import type { Verdict } from '../mail/verdict.ts';
import type { Queries, Step } from '../store/queries.ts';
import { recordSteps } from '../store/record-rows.ts';
import { ROW_VERSION } from '../store/schema.ts';
import type { Reader } from '../store/store.ts';
import type { HeldFile } from './held-file.ts';

/** What kind of thing is held; later, who may release it. */
export type ItemClass = 'spam' | 'virus' | 'policy' | 'unscannable';

/** Rows for the record, its bytes, and each copy that is held. */
export function heldSteps(db: Queries, { record, stamp, heldAt }: HeldFile): Step[] {
  const { id, entry } = record;
  const kind = classOf(record.verdict);
  const held = record.copies.filter(copy => copy.disposition.state === 'held');
  const items = held.map(({ copyId }) => ({
    copy_id: copyId,
    message_id: id,
    row_version: ROW_VERSION,
    class: kind,
    held_at: heldAt,
  }));
  return [
    ...recordSteps(db, record),
    db.insertInto('holdings').values({
      message_id: id,
      row_version: ROW_VERSION,
      held_at: heldAt,
      stamp,
      size_bytes: entry.sizeBytes,
      sha256: entry.sha256,
      damage: '',
    }),
    ...items.map(item => db.insertInto('items').values(item)),
  ];
}

/** By what decided. */
export function classOf(verdict: Verdict | null): ItemClass {
  switch (verdict?.reasons[0]?.cause) {
    case 'malware':
      return 'virus';
    case 'unscannable':
    case 'unavailable':
      return 'unscannable';
    case 'effect':
      return 'policy';
    case 'score':
    case undefined:
      return 'spam';
  }
}

/** A copy in quarantine with what is needed to act on it. */
export interface Item {
  readonly copyId: string;
  readonly messageId: string;
  readonly class: string;
  readonly heldAt: number;
  readonly state: State;
  readonly words: string;
  readonly host: string;
  readonly updatedAt: number;
  /** For compare and swap. */
  readonly version: number;
  readonly attempts: number;
  readonly rcptTo: string;
  readonly mailFrom: string;
  readonly subject: string;
  readonly score: number | null;
  readonly clientAddress: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly damage: string;
}

export interface ItemFilter {
  readonly recipient?: string;
  readonly sender?: string;
  /** Held at or after, epoch milliseconds. */
  readonly since?: number;
  /** Default: held and releasing. */
  readonly states?: readonly State[];
  /** At most 1000; default 50. */
  readonly limit?: number;
  /** The last item of the page before. */
  readonly after?: { readonly heldAt: number; readonly copyId: string };
}

const PAGE_MAX = 1000;
const PAGE_DEFAULT = 50;

/** Newest first. */
export function listItems(store: Reader, filter: ItemFilter): Promise<readonly Item[]> {
  const limit = Math.max(1, Math.min(PAGE_MAX, filter.limit ?? PAGE_DEFAULT));
  return store.read(db => {
    let query = selectItems(db).where('c.state', 'in', [...(filter.states ?? ['held', 'releasing'])]);
    if (filter.recipient !== undefined) query = query.where('c.rcpt_key', '=', filter.recipient.toLowerCase());
    if (filter.sender !== undefined) query = query.where('m.mail_from_key', '=', senderKey(filter.sender));
    if (filter.since !== undefined) query = query.where('i.held_at', '>=', filter.since);
    if (filter.after !== undefined) {
      const { heldAt, copyId } = filter.after;
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('i.held_at', 'i.copy_id'), '<', tuple(heldAt, copyId)),
      );
    }
    return query.orderBy('i.held_at', 'desc').orderBy('i.copy_id', 'desc').limit(limit);
  });
}

export async function findItem(store: Reader, copyId: CopyId): Promise<Item | null> {
  const [item] = await store.read(db => selectItems(db).where('i.copy_id', '=', copyId));
  return item ?? null;
}

/** Copies of a message whose bytes are still needed. */
export async function openCopies(store: Reader, messageId: string): Promise<number> {
  const rows = await store.read(db =>
    db
      .selectFrom('items as i')
      .innerJoin('copies as c', 'c.copy_id', 'i.copy_id')
      .select('c.copy_id')
      .where('i.message_id', '=', messageId)
      .where('c.state', 'in', ['held', 'releasing']),
  );
  return rows.length;
}

function selectItems(db: Queries) {
  return db
    .selectFrom('items as i')
    .innerJoin('copies as c', 'c.copy_id', 'i.copy_id')
    .innerJoin('messages as m', 'm.id', 'i.message_id')
    .innerJoin('holdings as h', 'h.message_id', 'i.message_id')
    .select([
      'i.copy_id as copyId',
      'i.message_id as messageId',
      'i.class',
      'i.held_at as heldAt',
      'c.state',
      'c.words',
      'c.host',
      'c.updated_at as updatedAt',
      'c.version',
      'c.attempts',
      'c.rcpt as rcptTo',
      'm.mail_from as mailFrom',
      'm.subject',
      'm.score',
      'm.client_address as clientAddress',
      'h.size_bytes as sizeBytes',
      'h.sha256',
      'h.damage',
    ]);
}

/** `<>` asks for the null sender. */
function senderKey(sender: string): string {
  return sender === '<>' ? '' : sender.toLowerCase();
}
