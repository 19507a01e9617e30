// One message on its way into the spool: bytes to ID.part as they come, digest and size on the way. Nothing is fsynced,
// for the sender owns it (I1). After any error nothing of it is left.

import { createHash } from 'node:crypto';
import { type FileHandle, rename, writeFile } from 'node:fs/promises';

import type { Envelope } from '../mail/envelope.ts';
import { MailError } from '../mail/error.ts';
import type { MailId } from '../mail/mail-id.ts';
import type { SpoolDraft, SpoolEntry } from '../mail/ports.ts';
import type { Session } from '../mail/session.ts';
import { failpoint } from '../platform/failpoint.ts';
import { removeFile } from '../platform/safe-file.ts';
import { diskError } from './disk-error.ts';
import { entryText } from './envelope-file.ts';

/** Where the files of one message are. */
export interface SpoolPaths {
  readonly part: string;
  readonly bytes: string;
  readonly envelope: string;
}

/** After so many bytes the free space is looked at again: a few large messages at once must not reach the reserve. */
const RESERVE_EVERY_BYTES = 4 * 1024 * 1024;

export interface DraftParts {
  readonly id: MailId;
  readonly paths: SpoolPaths;
  readonly file: FileHandle;
  /** Throws MailError noSpace while the disk has less than its reserve. */
  readonly checkReserve: () => Promise<void>;
}

export class FileDraft implements SpoolDraft {
  readonly #parts: DraftParts;
  readonly #hash = createHash('sha256');
  #sizeBytes = 0;
  #sizeAtCheck = 0;
  #state: 'open' | 'sealed' | 'gone' = 'open';
  /** Writes go one after another, also when the caller does not wait for each. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: DraftParts) {
    this.#parts = parts;
  }

  write(chunk: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => this.#attempt('write', () => this.#append(chunk)));
    // Whoever waits for it hears the error; the chain itself must not end the process.
    this.#last.catch(() => undefined);
    return this.#last;
  }

  async seal(session: Session, envelope: Envelope): Promise<SpoolEntry> {
    await this.#last;
    return this.#attempt('seal', async () => {
      const { id, paths, file } = this.#parts;
      await failpoint('spool.seal');
      await file.close();
      const entry: SpoolEntry = {
        id,
        session,
        envelope,
        content: { path: paths.bytes },
        sizeBytes: this.#sizeBytes,
        sha256: this.#hash.digest('hex'),
        receivedAt: Date.now(),
      };
      await writeFile(paths.envelope, entryText(entry), { mode: 0o600, flag: 'wx' });
      await failpoint('spool.sealed');
      await rename(paths.part, paths.bytes);
      this.#state = 'sealed';
      return entry;
    });
  }

  async discard(): Promise<void> {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    await failpoint('spool.remove');
    const { paths, file } = this.#parts;
    // A write may be under way: its file number must not be closed under it and given to another message.
    await this.#last.catch(() => undefined);
    await file.close().catch(() => undefined);
    for (const path of [paths.part, paths.envelope, paths.bytes]) await removeFile(path);
  }

  async #append(chunk: Uint8Array): Promise<void> {
    await failpoint('spool.write');
    if (this.#sizeBytes - this.#sizeAtCheck >= RESERVE_EVERY_BYTES) {
      this.#sizeAtCheck = this.#sizeBytes;
      await this.#parts.checkReserve();
    }
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.#parts.file.write(chunk, at, chunk.length - at);
      at += bytesWritten;
    }
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
  }

  async #attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { id } = this.#parts;
    if (this.#state !== 'open') throw new MailError('unknownError', `spool ${id}: ${what} after its end`);
    try {
      return await work();
    } catch (error) {
      this.#last = Promise.resolve();
      await this.discard().catch(() => undefined);
      throw diskError(`spool ${id}: ${what} failed`, error);
    }
  }
}
