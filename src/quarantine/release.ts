// A copy's way out of quarantine: released to the next hop, or deleted. The state in the database decides, by compare and
// swap, so nothing is sent twice by accident; bytes are removed only after the row of the last copy is terminal.

import type { State } from '../mail/disposition.ts';
import type { Envelope, Recipient } from '../mail/envelope.ts';
import { HopLost, MailError } from '../mail/error.ts';
import { deliverable } from '../mail/forged.ts';
import { type CopyId, isCopyId, type MailId, mailIdOf } from '../mail/mail-id.ts';
import type { HopReply } from '../mail/ports.ts';
import { hopWords } from '../mail/reply.ts';
import { readPieces } from '../platform/content.ts';
import { pause } from '../platform/deadline.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText, type Log } from '../platform/log.ts';
import { RowsChanged } from '../store/failure.ts';
import type { Queries, Step } from '../store/queries.ts';
import { eventStep } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';
import { type HeldFile, parseHeld } from './held-file.ts';
import type { ItemFiles } from './item-files.ts';
import { findItem, type Item, openCopies } from './item-rows.ts';
import { markDigest } from './mark-digest.ts';
import { markLine, markStep } from './release-marks.ts';

/** One copy for the next hop. */
export interface Delivery {
  readonly copyId: CopyId;
  /** Of this copy alone: one recipient. */
  readonly envelope: Envelope;
  readonly recipient: Recipient;
  /** Mark, header block, bytes without forged headers. Can be read once. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What the next hop said: to the dot, or to the command it refused. */
export interface Delivered {
  readonly host: string;
  readonly reply: HopReply;
}

/** Brings a copy to its next hop. Throws HopLost or MailError as NextHop does. */
export type Deliver = (delivery: Delivery) => Promise<Delivered>;

export interface ReleaseOrder {
  /** Who asks, for the record. */
  readonly by: string;
  /** Send again what the next hop may already have. */
  readonly force?: boolean;
  readonly deliver: Deliver;
}

/** released: the hop said 2yz. refused: it said something else. failed: it was not reached. unknown: silent after the dot. */
export interface ReleaseResult {
  readonly kind: 'released' | 'refused' | 'failed' | 'unknown' | 'impossible';
  readonly host: string;
  /** The next hop's own words; for `impossible` and `failed`, why. */
  readonly words: string;
}

export interface DeleteResult {
  readonly kind: 'deleted' | 'impossible';
  readonly words: string;
}

export interface ReleaseParts {
  readonly store: Store;
  readonly files: ItemFiles;
  readonly key: Uint8Array;
  readonly hostname: string;
  readonly log: Log;
}

const WHO_MAX = 200;
/** Before the end of a release is written a second time, milliseconds. */
const AGAIN_MS = 1000;

export class Releases {
  readonly #parts: ReleaseParts;
  /** Copies on their way now: those are not even sent again with force. */
  readonly #active = new Set<CopyId>();
  /** Releases and deletions under way, for `idle`. */
  readonly #running = new Set<Promise<unknown>>();
  #isEnding = false;

  constructor(parts: ReleaseParts) {
    this.#parts = parts;
  }

  /** Begins nothing more, and resolves when what is under way has been recorded. Never rejects. */
  async idle(): Promise<void> {
    this.#isEnding = true;
    await Promise.allSettled(this.#running);
  }

  release(copyId: CopyId, order: ReleaseOrder): Promise<ReleaseResult> {
    return this.#run(() => this.#release(copyId, order));
  }

  delete(copyId: CopyId, order: { readonly by: string; readonly force?: boolean }): Promise<DeleteResult> {
    return this.#run(() => this.#delete(copyId, order));
  }

  async #run<T>(work: () => Promise<T>): Promise<T | (ReleaseResult & DeleteResult)> {
    if (this.#isEnding) return impossible('the gateway is stopping: try again when it runs');
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #release(copyId: CopyId, order: ReleaseOrder): Promise<ReleaseResult> {
    if (this.#active.has(copyId)) return impossible(`copy ${copyId} is being released at this moment`);
    this.#active.add(copyId);
    try {
      const item = await this.#find(copyId);
      const refusal = item === null ? `no copy ${copyId} in quarantine` : whyNot(item, order.force === true);
      if (item === null || refusal !== '') return impossible(refusal);
      return await this.#send(copyId, item, order);
    } catch (error) {
      if (error instanceof RowsChanged) return impossible(await this.#changed(copyId));
      throw error;
    } finally {
      this.#active.delete(copyId);
    }
  }

  async #delete(copyId: CopyId, order: { readonly by: string; readonly force?: boolean }): Promise<DeleteResult> {
    if (this.#active.has(copyId)) return impossible(`copy ${copyId} is being released at this moment`);
    const item = await this.#find(copyId);
    const refusal = item === null ? `no copy ${copyId} in quarantine` : whyNot(item, order.force === true);
    if (item === null || refusal !== '') return impossible(refusal);
    const now = { state: 'deleted', words: `deleted by ${who(order.by)}`, host: '' } as const;
    try {
      await this.#write(db => change(db, item, { ...now, by: order.by, what: 'deleted', attempts: item.attempts }));
    } catch (error) {
      if (error instanceof RowsChanged) return impossible(await this.#changed(copyId));
      throw error;
    }
    await this.#removeIfDone(mailIdOf(copyId));
    return { kind: 'deleted', words: now.words };
  }

  async #send(copyId: CopyId, item: Item, order: ReleaseOrder): Promise<ReleaseResult> {
    const { files, key, hostname } = this.#parts;
    const id = mailIdOf(copyId);
    const held = await this.#readHeld(id, item);
    if (typeof held === 'string') return impossible(`copy ${copyId} cannot be released: ${held}`);
    const { record, stamp } = held;
    const recipient = record.copies.find(copy => copy.copyId === copyId)?.recipient;
    if (recipient === undefined) return impossible(`copy ${copyId} is not in its record file`);
    const attempt = item.attempts + 1;
    const outgoing = (mark: string, bytes: AsyncIterable<Uint8Array>) =>
      deliverable(bytes, `${mark}${stamp}`, hostname);
    const digest = await markDigest(outgoing('', readPieces({ path: files.paths(id).bytes })));
    const marked = { copyId, attempt, rcptTo: recipient.address.text };
    await failpoint('release.begin');
    const begun = { state: 'releasing', words: `release begun by ${who(order.by)}`, host: '' } as const;
    await this.#write(db => [
      ...change(db, item, { ...begun, by: order.by, what: 'release begun', attempts: attempt }),
      markStep(db, marked, Date.now()),
    ]);
    await failpoint('release.begun');
    const source = new Source(files.paths(id).bytes);
    const body = outgoing(digest === null ? '' : markLine(key, { ...marked, digest }), source.read());
    const envelope = { ...record.entry.envelope, rcptTo: [recipient], declaredSize: null };
    const result = await outcome(source, order.deliver({ copyId, envelope, recipient, body }));
    await failpoint('release.answer');
    const after = { ...item, version: item.version + 1, attempts: attempt };
    return this.#finish(after, order.by, result);
  }

  /** What was held, with its bytes as they were scanned (I2); else what is wrong with it. */
  async #readHeld(id: MailId, item: Item): Promise<HeldFile | string> {
    const { files, store } = this.#parts;
    const damage = await files.damage(id, item);
    if (damage !== '') {
      await store.write(db => [db.updateTable('holdings').set({ damage }).where('message_id', '=', id)]);
      return damage;
    }
    try {
      return parseHeld(await files.readHeld(id), files.paths(id).bytes);
    } catch (error) {
      return `its record file is damaged: ${errorText(error)}`;
    }
  }

  async #finish(item: Item, by: string, result: ReleaseResult): Promise<ReleaseResult> {
    const { host, words, kind } = result;
    const state = STATE_AFTER[kind];
    const steps = (db: Queries) =>
      change(db, item, { state, words, host, by, what: WHAT[kind], attempts: item.attempts });
    try {
      // The hop's answer must not be lost to a database that is busy for a moment.
      await this.#write(steps).catch(async () => {
        await pause(AGAIN_MS);
        await this.#write(steps);
      });
    } catch (error) {
      this.#parts.log.error(
        { copy: item.copyId, host, words, error: errorText(error) },
        'end of a release not recorded',
      );
      return { ...result, words: `${words} (this could not be recorded: ${errorText(error)})` };
    }
    if (kind === 'released') await this.#removeIfDone(item.messageId as MailId);
    await failpoint('release.done');
    return result;
  }

  /** Terminal row first, then unlink: a crash between leaves files that recovery removes. */
  async #removeIfDone(id: MailId): Promise<void> {
    try {
      await failpoint('release.unlink');
      if ((await openCopies(this.#parts.store, id)) === 0) await this.#parts.files.remove(id);
    } catch (error) {
      this.#parts.log.warn({ id, error: errorText(error) }, 'bytes not removed from quarantine: done at next start');
    }
  }

  async #find(copyId: CopyId): Promise<Item | null> {
    return isCopyId(copyId) ? findItem(this.#parts.store, copyId) : null;
  }

  async #changed(copyId: CopyId): Promise<string> {
    const item = await this.#find(copyId);
    return item === null ? `no copy ${copyId} in quarantine` : whyNot(item, false) || `copy ${copyId} has just changed`;
  }

  async #write(build: (db: Queries) => readonly Step[]): Promise<void> {
    await this.#parts.store.write(build);
  }
}

const STATE_AFTER = {
  released: 'released',
  refused: 'held',
  failed: 'held',
  unknown: 'releasing',
  impossible: 'held',
} as const;

const WHAT: Readonly<Record<ReleaseResult['kind'], string>> = {
  released: 'released',
  refused: 'release refused',
  failed: 'release failed',
  unknown: 'release without answer',
  impossible: 'release failed',
};

/** The message's bytes; notes when they, and not the next hop, were the trouble. */
class Source {
  readonly #path: string;
  failed = false;

  constructor(path: string) {
    this.#path = path;
  }

  async *read(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* readPieces({ path: this.#path });
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }
}

async function outcome(source: Source, delivered: Promise<Delivered>): Promise<ReleaseResult> {
  try {
    const { host, reply } = await delivered;
    const words = hopWords(reply);
    return { kind: reply.code >= 200 && reply.code <= 299 ? 'released' : 'refused', host, words };
  } catch (error) {
    // Only an error that surely came before the dot may be tried again without being asked.
    const isSure = source.failed || (error instanceof MailError && !(error instanceof HopLost && error.afterDot));
    return { kind: isSure ? 'failed' : 'unknown', host: '', words: errorText(error) };
  }
}

/** '' when the copy may go; else why not, and what to do. */
function whyNot(item: Item, isForced: boolean): string {
  const when = new Date(item.updatedAt).toISOString();
  const said = item.host === '' ? item.words : `${item.host} said: ${item.words}`;
  switch (item.state) {
    case 'held':
      return '';
    case 'releasing':
      if (isForced) return '';
      return (
        `copy ${item.copyId} was on its way at ${when} (${said}): the next hop may have it. Look there; ` +
        'if it has not, use --force'
      );
    default:
      return `copy ${item.copyId} is ${item.state} since ${when}: ${said}`;
  }
}

interface Change {
  readonly state: State;
  readonly words: string;
  readonly host: string;
  readonly by: string;
  readonly what: string;
  readonly attempts: number;
}

/** Compare and swap: nothing is written unless the copy is as it was read. */
function change(db: Queries, item: Item, to: Change): Step[] {
  const now = Date.now();
  const said = to.host === '' ? to.words : `${to.host}: ${to.words}`;
  const { state, words, host, attempts } = to;
  return [
    {
      query: db
        .updateTable('copies')
        .set({ state, words, host, attempts, updated_at: now, version: item.version + 1 })
        .where('copy_id', '=', item.copyId)
        .where('version', '=', item.version),
      mustChange: 1,
    },
    eventStep(db, {
      message_id: item.messageId,
      copy_id: item.copyId,
      at: now,
      who: who(to.by),
      what: to.what,
      words: said,
    }),
  ];
}

function who(by: string): string {
  return by.slice(0, WHO_MAX);
}

function impossible(words: string): ReleaseResult & DeleteResult {
  return { kind: 'impossible', host: '', words };
}
