// The spool in files: ID.eml with the bytes, ID.json with the envelope, ID.part while it comes in. Made in main.ts, used
// by gateway and pipeline. What is here was never answered with 250 unless a row says so (DESIGN step 8).

import { mkdir, open, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { MailError } from '../mail/error.ts';
import { isMailId, type MailId } from '../mail/mail-id.ts';
import type { Health, Spool, SpoolDraft, SpoolEntry } from '../mail/ports.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText, type Log } from '../platform/log.ts';
import { removeFile } from '../platform/safe-file.ts';
import { diskError } from './disk-error.ts';
import { ENVELOPE_FILE_MAX, parseEntry } from './envelope-file.ts';
import { FileDraft, type SpoolPaths } from './file-draft.ts';

/** What many small messages write in this time is far below any reserve; each large one looks for itself. */
const CHECKED_MS = 500;

export interface FileSpoolOptions {
  /** Made where it is not there, mode 0700. */
  readonly folder: string;
  /** Free bytes the disk keeps; below it new mail gets 452 before anything breaks (DESIGN section 8). */
  readonly reserveBytes: number;
  /** Free bytes of the disk a folder is on; the tests put a full disk in. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export async function openFileSpool(options: FileSpoolOptions): Promise<FileSpool> {
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return new FileSpool({ ...options, folder });
}

export class FileSpool implements Spool {
  readonly #folder: string;
  readonly #reserveBytes: number;
  readonly #freeBytes: (folder: string) => Promise<number>;
  /** When there was room last, epoch milliseconds. */
  #goodAt = 0;

  constructor({ folder, reserveBytes, freeBytes = freeBytesOf }: FileSpoolOptions) {
    this.#folder = folder;
    this.#reserveBytes = reserveBytes;
    this.#freeBytes = freeBytes;
  }

  async create(id: MailId): Promise<SpoolDraft> {
    const paths = this.#paths(id);
    const checkReserve = () => this.#checkReserve();
    try {
      await checkReserve();
      await failpoint('spool.create');
      // wx: an id is used once; a second message of the same id must never write into the first.
      const file = await open(paths.part, 'wx', 0o600);
      return new FileDraft({ id, paths, file, checkReserve });
    } catch (error) {
      throw diskError(`spool ${id}: cannot create`, error);
    }
  }

  /** For a message that has no file yet. Throws MailError noSpace; what was good is believed for CHECKED_MS. */
  async checkRoom(id: MailId): Promise<void> {
    this.#paths(id);
    if (Date.now() - this.#goodAt < CHECKED_MS) return;
    try {
      await this.#checkReserve();
      this.#goodAt = Date.now();
    } catch (error) {
      throw diskError(`spool ${id}: cannot create`, error);
    }
  }

  async open(id: MailId): Promise<SpoolEntry> {
    const paths = this.#paths(id);
    try {
      const { size } = await stat(paths.envelope);
      if (size > ENVELOPE_FILE_MAX) throw new Error(`envelope file of ${size} bytes`);
      const entry = parseEntry(await readFile(paths.envelope, 'utf8'), paths.bytes);
      if (entry.id !== id) throw new Error(`envelope file of ${entry.id}`);
      const bytes = await stat(paths.bytes);
      if (bytes.size !== entry.sizeBytes) throw new Error(`${bytes.size} bytes, the envelope says ${entry.sizeBytes}`);
      return entry;
    } catch (error) {
      throw diskError(`spool ${id}: cannot be opened`, error);
    }
  }

  /** The envelope last: what a crash leaves is still known by its id. */
  async remove(id: MailId): Promise<void> {
    const paths = this.#paths(id);
    try {
      for (const path of [paths.part, paths.bytes, paths.envelope]) await removeFile(path);
    } catch (error) {
      throw diskError(`spool ${id}: cannot be removed`, error);
    }
  }

  async list(): Promise<readonly MailId[]> {
    const names = await readdir(this.#folder);
    const ids = names.map(name => name.replace(/\.(?:eml|json|part)$/, '')).filter(isMailId);
    return [...new Set(ids)].sort();
  }

  async health(): Promise<Health> {
    const part = 'spool';
    try {
      const free = await this.#freeBytes(this.#folder);
      if (free < this.#reserveBytes) {
        const says = `${mebibytes(free)} free, the reserve is ${mebibytes(this.#reserveBytes)}: new mail gets 452`;
        return { part, level: 'down', says, next: `make room on the disk of ${this.#folder}` };
      }
      const level = free < 2 * this.#reserveBytes ? 'degraded' : 'ok';
      const next = level === 'ok' ? '' : `make room on the disk of ${this.#folder}`;
      return { part, level, says: `${mebibytes(free)} free`, next };
    } catch (error) {
      return { part, level: 'down', says: errorText(error), next: `may Postern read and write ${this.#folder}?` };
    }
  }

  async #checkReserve(): Promise<void> {
    const free = await this.#freeBytes(this.#folder);
    if (free < this.#reserveBytes) {
      throw new MailError('noSpace', `${mebibytes(free)} free in ${this.#folder}, below the reserve`);
    }
  }

  /** An id that is none must never become a path, whoever gave it. */
  #paths(id: MailId): SpoolPaths {
    if (!isMailId(id)) throw new MailError('unknownError', 'spool: not an id');
    const base = join(this.#folder, id);
    return { part: `${base}.part`, bytes: `${base}.eml`, envelope: `${base}.json` };
  }
}

/**
 * Removes what a crash left: messages that no row claims were never answered with 250, so their senders still have them.
 * At start, before the listeners open.
 */
export async function sweepSpool(spool: Spool, isClaimed: (id: MailId) => Promise<boolean>, log: Log): Promise<number> {
  let removed = 0;
  for (const id of await spool.list()) {
    if (await isClaimed(id)) continue;
    await spool.remove(id);
    removed++;
    log.info({ id }, 'removed from the spool: it was never answered with 250, so the sender still has it');
  }
  return removed;
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / (1024 * 1024))} MiB`;
}
