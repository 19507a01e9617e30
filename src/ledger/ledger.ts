// The books: a row for every message and every copy, from connection to the next hop's words (I4). The gateway records,
// `trace` reads. Made in main.ts; whoever wants to read only takes trace.ts with a read-only store.

import { type MailId, mailId } from '../mail/mail-id.ts';
import type { Ledger, SpoolEntry } from '../mail/ports.ts';
import { failpoint } from '../platform/failpoint.ts';
import type { Log } from '../platform/log.ts';
import { addressKey, recordSteps } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';
import { Unwritten } from './unwritten.ts';

/** For how long a retry of a message with unknown fate is recognised: senders give up after 5 days, most retry soon. */
const RECOGNISED_MS = 2 * 24 * 3600 * 1000;
/** Earlier messages of the same bytes that are looked at. */
const CANDIDATES_MAX = 20;

const ZEROS = new Uint8Array(5);

/** The books, and what main.ts must do with them: close before the store is. */
export interface Books extends Ledger {
  close(): Promise<void>;
}

export function createLedger(store: Store, log: Log): Books {
  const unwritten = new Unwritten(store, log);
  return {
    notReady: () => store.trouble()?.reply ?? (unwritten.count > 0 ? 'notReady' : null),
    record: async record => {
      await failpoint('record');
      await store.write(db => recordSteps(db, record));
      await failpoint('record.done');
    },
    recordLater: (record, error) => unwritten.keep(record, error),
    unknownBefore: entry => unknownBefore(store, entry),
    close: () => unwritten.close(),
  };
}

/** Each recipient of this message must be one whose copy of the earlier message ended `unknown`. */
async function unknownBefore(store: Store, entry: SpoolEntry): Promise<MailId | null> {
  const since = mailId(Math.max(0, entry.receivedAt - RECOGNISED_MS), ZEROS);
  const sender = addressKey(entry.envelope.mailFrom.address?.text ?? '');
  const earlier = await store.read(db =>
    db
      .selectFrom('messages')
      .select('id')
      .where('sha256', '=', entry.sha256)
      .where('mail_from_key', '=', sender)
      .where('id', '>=', since)
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
