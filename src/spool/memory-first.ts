// The spool as main.ts makes it: small messages stay in memory, for until our reply the sender owns them and they need not
// survive us (I1); what is larger, or comes when memory is full, goes to files. Whoever holds a message writes it down.

import { hash } from 'node:crypto';

import type { Envelope } from '../mail/envelope.ts';
import { MailError } from '../mail/error.ts';
import type { MailId } from '../mail/mail-id.ts';
import type { Health, Spool, SpoolDraft, SpoolEntry } from '../mail/ports.ts';
import type { Session } from '../mail/session.ts';
import type { FileSpool } from './file-spool.ts';

export interface MemoryLimits {
  /** A larger message goes to a file. */
  readonly messageBytes: number;
  /** Of all messages in memory; beyond it the next ones go to files. */
  readonly totalBytes: number;
}

/** Nine of ten messages are smaller than 128 KiB; with 512 of them at once it is 64 MiB. */
export const MEMORY_LIMITS: MemoryLimits = { messageBytes: 128 * 1024, totalBytes: 64 * 1024 * 1024 };

/** The first piece of memory of a message: most fit in, and an idle DATA costs no more. */
const FIRST_BYTES = 8 * 1024;

export function memoryFirst(files: FileSpool, limits: MemoryLimits = MEMORY_LIMITS): Spool {
  return new MemoryFirst(files, limits);
}

class MemoryFirst implements Spool {
  readonly #files: FileSpool;
  readonly #limits: MemoryLimits;
  /** Every message in memory, by its id. */
  readonly #drafts = new Map<MailId, MemoryDraft>();
  #usedBytes = 0;

  constructor(files: FileSpool, limits: MemoryLimits) {
    this.#files = files;
    this.#limits = limits;
  }

  async create(id: MailId): Promise<SpoolDraft> {
    await this.#files.checkRoom(id);
    if (this.#drafts.has(id)) throw new MailError('unknownError', `spool ${id}: there is one already`);
    const draft = new MemoryDraft(id, this.#limits.messageBytes, {
      take: bytes => this.#take(bytes),
      give: bytes => {
        this.#usedBytes -= bytes;
      },
      file: () => this.#files.create(id),
      forget: usedBytes => {
        this.#usedBytes -= usedBytes;
        if (this.#drafts.get(id) === draft) this.#drafts.delete(id);
      },
    });
    this.#drafts.set(id, draft);
    return draft;
  }

  async open(id: MailId): Promise<SpoolEntry> {
    return this.#drafts.get(id)?.entry ?? this.#files.open(id);
  }

  async remove(id: MailId): Promise<void> {
    await this.#drafts.get(id)?.discard();
    await this.#files.remove(id);
  }

  async list(): Promise<readonly MailId[]> {
    return [...new Set([...(await this.#files.list()), ...this.#drafts.keys()])].sort();
  }

  health(): Promise<Health> {
    return this.#files.health();
  }

  #take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limits.totalBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }
}

/** What a draft needs of its spool. */
interface Home {
  /** False where there is no room for so many bytes more. */
  take(bytes: number): boolean;
  /** So many bytes less. */
  give(bytes: number): void;
  /** A draft on disk in its place. */
  file(): Promise<SpoolDraft>;
  /** It is no longer in memory, and gives back so many bytes. */
  forget(usedBytes: number): void;
}

class MemoryDraft implements SpoolDraft {
  readonly #id: MailId;
  readonly #maxBytes: number;
  readonly #home: Home;
  #bytes = new Uint8Array(0);
  #sizeBytes = 0;
  #entry: SpoolEntry | null = null;
  /** Set from the moment that memory does not do any more. */
  #file: Promise<SpoolDraft> | null = null;
  #isGone = false;

  constructor(id: MailId, maxBytes: number, home: Home) {
    this.#id = id;
    this.#maxBytes = maxBytes;
    this.#home = home;
  }

  /** null until it is sealed in memory. */
  get entry(): SpoolEntry | null {
    return this.#entry;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#throwUnlessOpen('write');
    if (this.#file === null && this.#hasRoom(chunk.length)) {
      this.#bytes.set(chunk, this.#sizeBytes);
      this.#sizeBytes += chunk.length;
      return;
    }
    this.#file ??= this.#toFile();
    return (await this.#file).write(chunk);
  }

  async seal(session: Session, envelope: Envelope): Promise<SpoolEntry> {
    this.#throwUnlessOpen('seal');
    if (this.#file !== null) return (await this.#file).seal(session, envelope);
    // A copy of the right size: what crosses to a thread is the whole memory below.
    const bytes = this.#bytes.slice(0, this.#sizeBytes);
    // In place of the first: both would be twice what is counted.
    this.#home.give(this.#bytes.length - bytes.length);
    this.#bytes = bytes;
    this.#entry = {
      id: this.#id,
      session,
      envelope,
      content: { bytes },
      sizeBytes: bytes.length,
      sha256: hash('sha256', bytes, 'hex'),
      receivedAt: Date.now(),
    };
    return this.#entry;
  }

  async discard(): Promise<void> {
    if (!this.#isGone) this.#leaveMemory();
    this.#isGone = true;
    await (await this.#file?.catch(() => null))?.discard();
  }

  #throwUnlessOpen(what: string): void {
    if (this.#isGone || this.#entry !== null)
      throw new MailError('unknownError', `spool ${this.#id}: ${what} after its end`);
  }

  /** Makes room by doubling, so that a message that comes in single bytes costs no more than another. */
  #hasRoom(more: number): boolean {
    const needed = this.#sizeBytes + more;
    if (needed <= this.#bytes.length) return true;
    if (needed > this.#maxBytes) return false;
    const larger = Math.min(this.#maxBytes, Math.max(needed, FIRST_BYTES, 2 * this.#bytes.length));
    if (!this.#home.take(larger - this.#bytes.length)) return false;
    const bytes = new Uint8Array(larger);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
    return true;
  }

  async #toFile(): Promise<SpoolDraft> {
    const file = await this.#home.file();
    const written = file.write(this.#bytes.subarray(0, this.#sizeBytes));
    this.#leaveMemory();
    await written;
    return file;
  }

  #leaveMemory(): void {
    this.#home.forget(this.#bytes.length);
    this.#bytes = new Uint8Array(0);
  }
}
