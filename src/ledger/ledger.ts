// The books: a row for every message and every copy, from connection to the next hop's words (I4). The gateway records,
// `trace` reads. Made in main.ts; whoever wants to read only takes trace.ts with a read-only store.

import type { Ledger } from '../mail/ports.ts';
import { failpoint } from '../platform/failpoint.ts';
import type { Log } from '../platform/log.ts';
import { recordSteps } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';
import { Unknowns } from './unknown.ts';
import { Unwritten } from './unwritten.ts';

/** The books, and what main.ts must do with them: close before the store is. */
export interface Books extends Ledger {
  close(): Promise<void>;
}

export function createLedger(store: Store, log: Log): Books {
  const unwritten = new Unwritten(store, log);
  const unknowns = new Unknowns(store);
  return {
    notReady: () => store.trouble()?.reply ?? (unwritten.count > 0 ? 'notReady' : null),
    record: async record => {
      await failpoint('record');
      await store.write(db => recordSteps(db, record));
      await unknowns.note(record);
      await failpoint('record.done');
    },
    recordLater: (record, error) => {
      unwritten.keep(record, error);
      void unknowns.note(record);
    },
    unknownBefore: entry => unknowns.before(entry),
    close: () => unwritten.close(),
  };
}
