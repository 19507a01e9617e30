// What a Postern has on its side, read from outside as an auditor would: rows from the database, bytes from the files.
// Apart from the product's own reading, so that a mistake there does not hide itself. The gateway must be running.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface BookedCopy {
  readonly copyId: string;
  readonly state: string;
  readonly words: string;
  /** What the sender was told, or was about to be. */
  readonly reply: string;
}

export class Books {
  readonly #database: DatabaseSync;
  readonly #quarantine: string;

  constructor(data: string) {
    this.#database = new DatabaseSync(join(data, 'postern.db'), { readOnly: true, timeout: 5000 });
    this.#quarantine = join(data, 'quarantine');
  }

  /** All copies for the recipient, oldest first. */
  copiesFor(recipient: string): readonly BookedCopy[] {
    const rows = this.#database
      .prepare(
        `SELECT c.copy_id, c.state, c.words, m.reply FROM copies c JOIN messages m ON m.id = c.message_id
         WHERE c.rcpt_key = ? ORDER BY c.copy_id`,
      )
      .all(recipient);
    return rows.map(row => ({
      copyId: String(row['copy_id']),
      state: String(row['state']),
      words: String(row['words']),
      reply: String(row['reply']),
    }));
  }

  countOf(table: 'copies' | 'items' | 'messages'): number {
    return Number(this.#database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
  }

  /** The held bytes, whole as their row says; null where row or file is not there. Throws where they differ. */
  heldBytes(copyId: string): Buffer | null {
    const id = copyId.slice(0, copyId.indexOf('-'));
    const row = this.#database.prepare('SELECT sha256 FROM holdings WHERE message_id = ?').get(id);
    const name = heldFiles(this.#quarantine).find(path => path.endsWith(`${id}.eml`));
    if (row === undefined || name === undefined) return null;
    const bytes = readFileSync(join(this.#quarantine, name));
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== row['sha256']) throw new Error(`held bytes of ${copyId} are not those of its row`);
    return bytes;
  }

  close(): void {
    this.#database.close();
  }
}

/** Names of all files in a quarantine folder, relative to it. */
export function heldFiles(quarantine: string): readonly string[] {
  if (!existsSync(quarantine)) return [];
  return readdirSync(quarantine, { recursive: true })
    .map(String)
    .filter(name => /\.\w+$/.test(name));
}
