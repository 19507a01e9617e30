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
  #closing: Promise<void> | undefined;
  #isClosed = false;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  get count(): number {
    return this.#kept.size;
  }

  /** A later record of a message takes the place of the earlier one. After `close` it is logged and no more. */
  keep(record: LedgerRecord, error: unknown): void {
    const { id } = record;
    if (this.#isClosed || (this.#kept.size >= KEPT_MAX && !this.#kept.has(id))) return this.#drop(record, error);
    // As the last one: who goes through them just now comes to it.
    this.#kept.delete(id);
    this.#kept.set(id, record);
    this.#log.error({ ...outline(record), error: errorText(error) }, 'not recorded yet: kept until the database can');
    this.#later();
  }

  /** A last try, also of what comes meanwhile; what cannot be written then is logged. Before the store is closed. */
  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    let isWell = true;
    while (isWell && this.#kept.size > 0) isWell = await this.#writeAll();
    // Nothing is awaited between the last look and this.
    this.#isClosed = true;
    for (const record of this.#kept.values()) this.#drop(record, 'stopped before the database could be written');
    this.#kept.clear();
  }

  #later(): void {
    if (this.#timer !== undefined || this.#closing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#writing = this.#tryAgain();
    }, AGAIN_MS);
    this.#timer.unref();
  }

  async #tryAgain(): Promise<void> {
    if (this.#store.trouble() === null) await this.#writeAll();
    this.#timer = undefined;
    if (this.#kept.size > 0) this.#later();
  }

  /** One after the other, up to the first that the database cannot take now: then it resolves to false. Never rejects. */
  async #writeAll(): Promise<boolean> {
    // Those that come meanwhile too: a Map gives them to who goes through it.
    for (const record of this.#kept.values()) {
      const error = await this.#write(record);
      if (error !== null && (isPassing(error) || this.#store.trouble() !== null)) return false;
      // A later record has its place, and its turn.
      if (this.#kept.get(record.id) === record) this.#kept.delete(record.id);
      if (error !== null) this.#drop(record, error);
      else this.#log.info({ id: record.id }, 'recorded late');
    }
    return true;
  }

  async #write(record: LedgerRecord): Promise<unknown> {
    const { id, endedAt } = record;
    try {
      await this.#store.write(db => recordSteps(db, record));
      return null;
    } catch (error) {
      if (isPassing(error)) return error;
      // Where nobody knew whether the commit was done, it may be there; or an earlier record of the message is, whose rows
      // may have gone on from there and are not written over.
      const rows = await this.#store
        .read(db => db.selectFrom('messages').select('ended_at').where('id', '=', id))
        .catch(() => null);
      if (rows === null) return new CommitUnknown('the database cannot be read');
      return rows[0]?.ended_at === endedAt ? null : error;
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
