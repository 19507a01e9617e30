// The quarantine: takes messages over from the gateway (I1), and lets people see, release and delete them. Made in
// main.ts; the control socket calls it. An item is one recipient's copy of one message.

import { open } from 'node:fs/promises';
import { resolve } from 'node:path';

import { MailError } from '../mail/error.ts';
import { type CopyId, isCopyId, mailIdOf } from '../mail/mail-id.ts';
import type { Health, Quarantine, ReleaseMarks } from '../mail/ports.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText, type Log } from '../platform/log.ts';
import { makeFolder } from '../platform/safe-file.ts';
import { CommitUnknown } from '../store/failure.ts';
import type { EventRow } from '../store/schema.ts';
import type { Reader, Store } from '../store/store.ts';
import { heldText } from './held-file.ts';
import { ItemFiles } from './item-files.ts';
import { findItem, heldSteps, type Item, type ItemFilter, listItems } from './item-rows.ts';
import { type Recovery, recover } from './recover.ts';
import { type DeleteResult, type ReleaseOrder, type ReleaseResult, Releases } from './release.ts';
import { releaseMarks } from './release-marks.ts';

export interface QuarantineOptions {
  readonly store: Store;
  /** Made where it is not there, mode 0700. */
  readonly folder: string;
  /** Of loadReleaseKey. */
  readonly releaseKey: Uint8Array;
  /** Our host name: forged Authentication-Results of it are left out at release. */
  readonly hostname: string;
  readonly log: Log;
}

/** An item with everything that is shown of it. All text is hostile: escape it where it is printed. */
export interface ShownItem {
  readonly item: Item;
  /** The header section as it came, latin1, at most HEADERS_MAX characters. */
  readonly headers: string;
  /** JSON: findings and reasons. */
  readonly findings: string;
  readonly reasons: string;
  readonly stamp: string;
  readonly events: readonly EventRow[];
  /** Where the bytes are, for a preview. */
  readonly path: string;
}

const HEADERS_MAX = 64 * 1024;
const EVENTS_MAX = 500;

export class FileQuarantine implements Quarantine {
  readonly #options: QuarantineOptions;
  readonly #files: ItemFiles;
  readonly #releases: Releases;
  readonly marks: ReleaseMarks;

  private constructor(options: QuarantineOptions, files: ItemFiles) {
    const { store, releaseKey: key, hostname, log } = options;
    this.#options = options;
    this.#files = files;
    this.#releases = new Releases({ store, files, key, hostname, log });
    this.marks = releaseMarks(store, key);
  }

  static async open(options: QuarantineOptions): Promise<FileQuarantine> {
    const folder = resolve(options.folder);
    await makeFolder(folder);
    return new FileQuarantine(options, new ItemFiles(folder));
  }

  async hold(record: Parameters<Quarantine['hold']>[0], stamp: string): Promise<void> {
    if (!record.copies.some(copy => copy.disposition.state === 'held')) {
      throw new MailError('unknownError', `quarantine ${record.id}: no copy is to be held`);
    }
    const held = { record, stamp, heldAt: Date.now() };
    await this.#files.take(record.entry, heldText(held));
    try {
      await failpoint('hold.row');
      await this.#options.store.write(db => heldSteps(db, held));
    } catch (error) {
      // Where nobody knows whether the rows are there, the bytes stay: the next start finds out (recover.ts).
      if (!(error instanceof CommitUnknown)) await this.#discard(record.entry.id);
      throw error;
    }
    await failpoint('hold.done');
  }

  list(filter: ItemFilter): Promise<readonly Item[]> {
    return listItems(this.#options.store, filter);
  }

  show(copyId: string): Promise<ShownItem | null> {
    return showItem(this.#options.store, this.#files, copyId);
  }

  /** What the next hop said is recorded before this resolves. */
  release(copyId: CopyId, order: ReleaseOrder): Promise<ReleaseResult> {
    return this.#releases.release(copyId, order);
  }

  delete(copyId: CopyId, order: { readonly by: string; readonly force?: boolean }): Promise<DeleteResult> {
    return this.#releases.delete(copyId, order);
  }

  /**
   * Begins no release or deletion any more; resolves when those under way have been recorded, which may take as long as a
   * next hop does: the caller bounds it. Before the database is closed.
   */
  idle(): Promise<void> {
    return this.#releases.idle();
  }

  /** Once, at start, before the listeners open. */
  recover(): Promise<Recovery> {
    const { store, log } = this.#options;
    return recover({ store, files: this.#files, log });
  }

  async health(): Promise<Health> {
    const part = 'quarantine';
    try {
      const damaged = await this.#options.store.read(db =>
        db.selectFrom('holdings').select('message_id').where('damage', '>', '').limit(10),
      );
      if (damaged.length === 0) return { part, level: 'ok', says: 'holds mail', next: '' };
      const ids = damaged.map(row => row.message_id).join(', ');
      return { part, level: 'degraded', says: `bytes missing or changed: ${ids}`, next: 'restore them from a backup' };
    } catch (error) {
      return { part, level: 'down', says: errorText(error), next: 'see the database' };
    }
  }

  async #discard(id: HeldId): Promise<void> {
    await this.#files.remove(id).catch(error => {
      this.#options.log.warn({ id, error: errorText(error) }, 'quarantine files of a message that is not held remain');
    });
  }
}

type HeldId = Parameters<Quarantine['hold']>[0]['id'];

/** null where there is no such item. For commands that only read, too. */
export async function showItem(store: Reader, files: ItemFiles, copyId: string): Promise<ShownItem | null> {
  if (!isCopyId(copyId)) return null;
  const item = await findItem(store, copyId);
  if (item === null) return null;
  const id = mailIdOf(copyId);
  const [message] = await store.read(db =>
    db
      .selectFrom('messages as m')
      .innerJoin('holdings as h', 'h.message_id', 'm.id')
      .select(['m.findings', 'm.reasons', 'h.stamp'])
      .where('m.id', '=', id),
  );
  const events = await store.read(db =>
    db.selectFrom('events').selectAll().where('message_id', '=', id).orderBy('event_id').limit(EVENTS_MAX),
  );
  const { bytes } = files.paths(id);
  return {
    item,
    headers: await headersOf(bytes),
    findings: message?.findings ?? '[]',
    reasons: message?.reasons ?? '[]',
    stamp: message?.stamp ?? '',
    events: events.filter(event => event.copy_id === null || event.copy_id === copyId),
    path: bytes,
  };
}

/** '' where the bytes are gone. */
async function headersOf(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADERS_MAX), 0, HEADERS_MAX, 0);
    const text = buffer.subarray(0, bytesRead).toString('latin1');
    const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
    return end === -1 ? text : text.slice(0, end);
  } finally {
    await file.close();
  }
}
