// Records of what has happened while the database could not be written: kept in memory, written when it can again (I4).
// ledger.ts makes it. While any are kept the gateway takes no mail, so there are few; what is dropped is logged whole.

import { MailError } from '../mail/error.ts';
import type { LedgerRecord } from '../mail/ports.ts';
import { REPLIES } from '../mail/reply.ts';
import { errorText, type Log } from '../platform/log.ts';
import { CommitUnknown, DatabaseTrouble } from '../store/failure.ts';
import { recordSteps } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';

/** At some 100 KB each below 100 MB; no more connections than that are between a dot and its reply. */
const KEPT_MAX = 1000;
/** How often it is tried, milliseconds. */
const AGAIN_MS = 1000;

export class Unwritten {
  readonly #store: Store;
  readonly #log: Log;
  readonly #kept = new Map<string, LedgerRecord>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  get count(): number {
    return this.#kept.size;
  }

  keep(record: LedgerRecord, error: unknown): void {
    if (this.#kept.size >= KEPT_MAX) return this.#drop(record, error);
    this.#kept.set(record.id, record);
    this.#log.error({ ...outline(record), error: errorText(error) }, 'not recorded yet: kept until the database can');
    this.#later();
  }

  /** A last try; what cannot be written then is logged. Before the store is closed. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#writeAll();
    clearTimeout(this.#timer);
    for (const record of this.#kept.values()) this.#drop(record, 'stopped before the database could be written');
    this.#kept.clear();
  }

  #later(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#writing = (this.#store.trouble() === null ? this.#writeAll() : Promise.resolve()).finally(() => {
        this.#timer = undefined;
        if (this.#kept.size > 0) this.#later();
      });
    }, AGAIN_MS);
    this.#timer.unref();
  }

  /** One after the other, up to the first that the database cannot take now. Never rejects. */
  async #writeAll(): Promise<void> {
    for (const record of [...this.#kept.values()]) {
      const error = await this.#write(record);
      if (error !== null && (isPassing(error) || this.#store.trouble() !== null)) return;
      this.#kept.delete(record.id);
      if (error !== null) this.#drop(record, error);
      else this.#log.info({ id: record.id }, 'recorded late');
    }
  }

  async #write(record: LedgerRecord): Promise<unknown> {
    const { id } = record;
    try {
      await this.#store.write(db => recordSteps(db, record));
      return null;
    } catch (error) {
      if (isPassing(error)) return error;
      // Where nobody knew whether the commit was done, it may be there.
      const rows = await this.#store
        .read(db => db.selectFrom('messages').select('id').where('id', '=', id))
        .catch(() => null);
      if (rows === null) return new CommitUnknown('the database cannot be read');
      return rows.length > 0 ? null : error;
    }
  }

  #drop(record: LedgerRecord, error: unknown): void {
    this.#log.error({ ...outline(record), error: errorText(error) }, 'never recorded');
  }
}

/** Not of the record itself, which would fail for ever. */
function isPassing(error: unknown): boolean {
  if (error instanceof DatabaseTrouble || error instanceof CommitUnknown) return true;
  return error instanceof MailError && error.reply === REPLIES.busy;
}

/** Enough to know what became of each copy. */
function outline({ id, mailFrom, nextHop, reply, copies }: LedgerRecord) {
  const became = copies.map(({ recipient, disposition }) => ({ rcpt: recipient.address.text, ...disposition }));
  return { id, from: mailFrom.address?.text ?? '', nextHop, reply, copies: became };
}
