// Messages whose relay ended without anybody knowing how: the next hop went silent after the dot. When the sender brings
// one again, the record says so. Every message asks, and hardly any is one: their digests are kept in memory. For ledger.ts.

import { type MailId, mailId } from '../mail/mail-id.ts';
import type { LedgerRecord, SpoolEntry } from '../mail/ports.ts';
import { addressKey } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';

/** For how long a retry of a message with unknown fate is recognised: senders give up after 5 days, most retry soon. */
const RECOGNISED_MS = 2 * 24 * 3600 * 1000;
/** Earlier messages of the same bytes that are looked at. */
const CANDIDATES_MAX = 20;
/** With more of them the database is asked for each message. */
const DIGESTS_MAX = 5000;

const ZEROS = new Uint8Array(5);

export class Unknowns {
  readonly #store: Store;
  /** SHA-256 of their bytes; null where they are too many to know. Read once; one that is too old does no harm. */
  #digests: Promise<Set<string> | null> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A record that is or will be written. */
  async note({ entry, copies }: LedgerRecord): Promise<void> {
    if (entry === null || !copies.some(copy => copy.disposition.state === 'unknown')) return;
    const known = await this.#known();
    // One too many, and the database is asked for each message: from then on no more need be known.
    if (known !== null && known.size <= DIGESTS_MAX) known.add(entry.sha256);
  }

  /** An earlier message of the same bytes and envelope. */
  async before(entry: SpoolEntry): Promise<MailId | null> {
    const known = await this.#known();
    if (known !== null && known.size <= DIGESTS_MAX && !known.has(entry.sha256)) return null;
    return before(this.#store, entry);
  }

  async #known(): Promise<Set<string> | null> {
    this.#digests ??= digests(this.#store);
    try {
      return await this.#digests;
    } catch {
      // Asked again with the next message; this one asks for itself.
      this.#digests = undefined;
      return null;
    }
  }
}

async function digests(store: Store): Promise<Set<string> | null> {
  const rows = await store.read(db =>
    db
      .selectFrom('copies')
      .innerJoin('messages', 'messages.id', 'copies.message_id')
      .select('messages.sha256')
      .distinct()
      .where('copies.state', '=', 'unknown')
      .where('messages.id', '>=', since(Date.now()))
      .limit(DIGESTS_MAX + 1),
  );
  return rows.length > DIGESTS_MAX ? null : new Set(rows.flatMap(({ sha256 }) => sha256 ?? []));
}

/** Each recipient of this message must be one whose copy of the earlier message ended `unknown`. */
async function before(store: Store, entry: SpoolEntry): Promise<MailId | null> {
  const sender = addressKey(entry.envelope.mailFrom.address?.text ?? '');
  const earlier = await store.read(db =>
    db
      .selectFrom('messages')
      .select('id')
      .where('sha256', '=', entry.sha256)
      .where('mail_from_key', '=', sender)
      .where('id', '>=', since(entry.receivedAt))
      .where('id', '!=', entry.id)
      .orderBy('id', 'desc')
      .limit(CANDIDATES_MAX),
  );
  const wanted = new Set(entry.envelope.rcptTo.map(({ address }) => addressKey(address.text)));
  for (const { id } of earlier) {
    const copies = await store.read(db =>
      db.selectFrom('copies').select('rcpt_key').where('message_id', '=', id).where('state', '=', 'unknown'),
    );
    const unknown = new Set(copies.map(copy => copy.rcpt_key));
    // The id of a row was made by mailId().
    if ([...wanted].every(recipient => unknown.has(recipient))) return id as MailId;
  }
  return null;
}

/** The first id that is recognised at `now`, epoch milliseconds. */
function since(now: number): MailId {
  return mailId(Math.max(0, now - RECOGNISED_MS), ZEROS);
}
