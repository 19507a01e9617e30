// The bytes of held messages: quarantine/YYYY/MM/DD/ID.eml with ID.json beside, the day taken from the id. Written so
// that they survive a power cut before the row is committed (I1); mode 0600.

import { createHash } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { MailError } from '../mail/error.ts';
import { isMailId, type MailId, timeOf } from '../mail/mail-id.ts';
import type { Content, SpoolEntry } from '../mail/ports.ts';
import { readPieces } from '../platform/content.ts';
import { failpoint } from '../platform/failpoint.ts';
import { removeFile, syncFile, syncFolder, writeSafely } from '../platform/safe-file.ts';
import { diskError } from '../spool/disk-error.ts';

/** A held file holds the findings too; nothing honest is larger. */
const HELD_FILE_MAX = 64 * 1024 * 1024;

/** Days whose folders are remembered; mail of more than one day is held only around midnight. */
const DAYS_MAX = 10;

/** What the file system says when a file cannot have a second name there: then it is copied. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

export interface ItemPaths {
  readonly bytes: string;
  readonly held: string;
}

/** Files found for one id. */
export interface FoundFiles {
  readonly id: MailId;
  readonly hasBytes: boolean;
  readonly hasHeld: boolean;
}

export class ItemFiles {
  readonly #root: string;
  readonly #sync: typeof syncFolder;
  /** By day's folder: is its whole path on disk? Whoever comes second waits for the first. */
  readonly #synced = new Map<string, Promise<void>>();

  /** `root` is an absolute path. */
  constructor(root: string, sync = syncFolder) {
    this.#root = root;
    this.#sync = sync;
  }

  paths(id: MailId): ItemPaths {
    if (!isMailId(id)) throw new MailError('unknownError', 'quarantine: not an id');
    const [year = '', month = '', day = ''] = new Date(timeOf(id))
      .toISOString()
      .slice(0, -14)
      .split(/(?<=\d)-/);
    const base = join(this.#root, year, month, day, id);
    return { bytes: `${base}.eml`, held: `${base}.json` };
  }

  /**
   * Bytes and record are on disk when this resolves: bytes fsynced, record fsynced, renamed, folder fsynced.
   * On any error nothing of it is left. Throws MailError.
   */
  async take(entry: SpoolEntry, heldText: string): Promise<void> {
    const paths = this.paths(entry.id);
    try {
      await this.#makeFolders(dirname(paths.bytes));
      await failpoint('hold.bytes');
      await keepBytes(entry.content, paths.bytes);
    } catch (error) {
      // Bytes of this id that were there before are not ours to remove.
      throw diskError(`quarantine ${entry.id}: bytes cannot be kept`, error);
    }
    try {
      await failpoint('hold.record');
      await writeSafely(paths.held, heldText);
    } catch (error) {
      await this.remove(entry.id).catch(() => undefined);
      throw diskError(`quarantine ${entry.id}: record cannot be kept`, error);
    }
  }

  async readHeld(id: MailId): Promise<string> {
    const { held } = this.paths(id);
    const { size } = await stat(held);
    if (size > HELD_FILE_MAX) throw new Error(`${held} has ${size} bytes`);
    return readFile(held, 'utf8');
  }

  /** '' when the bytes are there as they were scanned, else what is wrong with them. */
  async damage(id: MailId, expected: { readonly sizeBytes: number; readonly sha256: string }): Promise<string> {
    const wrongSize = await this.wrongSize(id, expected.sizeBytes);
    if (wrongSize !== '') return wrongSize;
    const hash = createHash('sha256');
    for await (const piece of readPieces({ path: this.paths(id).bytes })) hash.update(piece);
    return hash.digest('hex') === expected.sha256 ? '' : 'the bytes have changed since they were scanned';
  }

  /** The cheap half of `damage`. */
  async wrongSize(id: MailId, sizeBytes: number): Promise<string> {
    try {
      const { size } = await stat(this.paths(id).bytes);
      return size === sizeBytes ? '' : `${size} bytes are there, ${sizeBytes} were held`;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'the bytes are missing';
      throw diskError(`quarantine ${id}: cannot be read`, error);
    }
  }

  /** The record last: until then recovery can still tell what this was. */
  async remove(id: MailId): Promise<void> {
    const { bytes, held } = this.paths(id);
    for (const path of [`${bytes}.new`, `${held}.new`, bytes, held]) await removeFile(path);
  }

  /** Ids with files, a day's folder at a time; half-written files are removed on the way. */
  async *days(): AsyncGenerator<readonly FoundFiles[], void> {
    for (const year of await folders(this.#root)) {
      for (const month of await folders(join(this.#root, year))) {
        for (const day of await folders(join(this.#root, year, month))) {
          yield await foundIn(join(this.#root, year, month, day));
        }
      }
    }
  }

  /**
   * Makes missing folders, each fsynced into the one above, so that the whole path survives a power cut. Once for a folder
   * and process: whether an earlier one had come to the fsync, nobody knows.
   */
  async #makeFolders(folder: string): Promise<void> {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (made !== undefined) this.#synced.delete(folder);
    const synced = this.#synced.get(folder) ?? this.#syncPath(folder);
    if (this.#synced.size >= DAYS_MAX) this.#synced.clear();
    this.#synced.set(folder, synced);
    try {
      await synced;
    } catch (error) {
      if (this.#synced.get(folder) === synced) this.#synced.delete(folder);
      throw error;
    }
  }

  /** Year, month and day: three folders below the root. */
  async #syncPath(folder: string): Promise<void> {
    for (let at = folder; at.length > this.#root.length; at = dirname(at)) await this.#sync(dirname(at));
  }
}

/** The bytes are on disk when this resolves; the folder is the caller's to fsync. Never into bytes that are there. */
async function keepBytes(content: Content, to: string): Promise<void> {
  if ('bytes' in content) return writeBytes(content, to);
  await syncFile(content.path);
  try {
    await link(content.path, to);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!NO_LINK.has(code)) throw error;
    await writeBytes(content, to);
  }
}

/** Half-written bytes after a crash have no record beside them: recovery removes them. */
async function writeBytes(content: Content, to: string): Promise<void> {
  const file = await open(to, 'wx', 0o600);
  try {
    await file.writeFile(readPieces(content));
    await failpoint('hold.sync');
    await file.sync();
  } catch (error) {
    await removeFile(to).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

async function folders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries
    .filter(entry => entry.isDirectory() && /^\d{2,6}$/.test(entry.name))
    .map(entry => entry.name)
    .sort();
}

async function foundIn(folder: string): Promise<FoundFiles[]> {
  const names = new Set(await readdir(folder));
  for (const name of names) if (name.endsWith('.new')) await removeFile(join(folder, name));
  const ids = [...names].map(name => name.replace(/\.(?:eml|json)$/, '')).filter(isMailId);
  return [...new Set(ids)].map(id => ({ id, hasBytes: names.has(`${id}.eml`), hasHeld: names.has(`${id}.json`) }));
}
