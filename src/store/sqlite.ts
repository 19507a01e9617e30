// One SQLite connection, used synchronously: only thread.ts calls it, so that no query ever stops the main thread.
// Group commit: all waiting batches share one transaction and so one fsync; each has its own savepoint and fails alone.

import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { failpointNow } from '../platform/failpoint.ts';
import { type Failure, failureOf, RowsChanged } from './failure.ts';
import { MIGRATIONS, type Migration, SCHEMA_VERSION } from './migrations.ts';

/** A compiled statement, as it crosses to the thread. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** How many rows it must change, null for any number. Otherwise its whole batch is taken back. */
  readonly mustChange: number | null;
}

export type BatchResult = { readonly changes: readonly number[] } | { readonly failure: Failure };

export interface SqliteOptions {
  readonly path: string;
  /** How long to wait for a lock that another process holds, milliseconds. */
  readonly busyMs: number;
}

/** Prepared statements kept; texts are few, for values are parameters and lists are cut in equal pieces. */
const PREPARED_MAX = 200;

/** No query may bring more into memory; callers page. */
const ROWS_MAX = 10_000;

export class Sqlite {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
  }

  /** Opens for writing, makes the file (mode 0600) where there is none, and brings the schema up to date. */
  static openWriter({ path, busyMs }: SqliteOptions): Sqlite {
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    const database = new DatabaseSync(path, { timeout: busyMs });
    try {
      // FULL: with WAL, NORMAL does not fsync at commit, and after a power cut what we said 250 to could be gone (I1).
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
      migrate(database, path);
      // After it, which may sort a whole table for an index. The journal of a savepoint would else be a file in /var/tmp:
      // twenty writes for each message.
      database.exec('PRAGMA temp_store = MEMORY');
      const folder = openSync(dirname(path), 'r');
      fsyncSync(folder);
      closeSync(folder);
    } catch (error) {
      database.close();
      throw error;
    }
    return new Sqlite(path, database);
  }

  /** Opens for reading, also beside a running gateway in another process. */
  static openReader({ path, busyMs }: SqliteOptions): Sqlite {
    const database = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
    try {
      const version = versionOf(database);
      if (version !== SCHEMA_VERSION) throw new Error(otherVersion(version));
    } catch (error) {
      database.close();
      throw error;
    }
    return new Sqlite(path, database);
  }

  /** Rows as plain objects. */
  read(statement: Statement): readonly object[] {
    failpointNow('store.read');
    const rows: object[] = [];
    for (const row of this.#prepare(statement.sql).iterate(...values(statement))) {
      if (rows.length === ROWS_MAX) throw new Error(`a query found more than ${ROWS_MAX} rows`);
      // SQLite's rows have no prototype; a plain object crosses threads and compares as one expects.
      rows.push({ ...row });
    }
    return rows;
  }

  /** Commits the batches together; each gets its own result. */
  writeGroup(batches: readonly (readonly Statement[])[]): readonly BatchResult[] {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const results = batches.map(batch => this.#writeBatch(batch));
      failpointNow('store.write');
      this.#database.exec('COMMIT');
      return results;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      const failure = failureOf(this.#path, error);
      return batches.map(() => ({ failure }));
    }
  }

  /** A small limit on the file's size, in pages of 4096 bytes: how the tests fill the disk. */
  limitPages(pages: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${Math.floor(pages)}`);
  }

  close(): void {
    this.#database.close();
  }

  #writeBatch(batch: readonly Statement[]): BatchResult {
    this.#database.exec('SAVEPOINT batch');
    try {
      const changes = batch.map(statement => this.#run(statement));
      this.#database.exec('RELEASE batch');
      return { changes };
    } catch (error) {
      // A full disk ends the whole transaction by itself: then nothing of the group is there.
      if (!this.#database.isTransaction) throw error;
      this.#database.exec('ROLLBACK TO batch; RELEASE batch');
      return { failure: failureOf(this.#path, error) };
    }
  }

  #run(statement: Statement): number {
    const changes = Number(this.#prepare(statement.sql).run(...values(statement)).changes);
    if (statement.mustChange !== null && changes !== statement.mustChange) {
      throw new RowsChanged(`expected to change ${statement.mustChange} rows, found ${changes}`);
    }
    return changes;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    if (this.#prepared.size >= PREPARED_MAX) this.#prepared.clear();
    const statement = this.#database.prepare(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }
}

/** All missing steps in one transaction: the database is old or new, never between. */
function migrate(database: DatabaseSync, path: string, migrations: readonly Migration[] = MIGRATIONS): void {
  database.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)');
  const version = versionOf(database);
  if (version > SCHEMA_VERSION) throw new Error(`${path}: ${otherVersion(version)}`);
  if (version === SCHEMA_VERSION) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const step of migrations.filter(migration => migration.version > versionOf(database))) {
      for (const sql of step.statements) database.exec(sql);
      database.prepare('INSERT INTO migrations VALUES (?, ?)').run(step.version, Date.now());
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('SELECT coalesce(max(version), 0) AS version FROM migrations').get()?.version ?? 0);
}

function otherVersion(version: number): string {
  const older = 'start the gateway once: it brings the database up to date';
  const newer = 'it was written by a newer Postern: start that one, or restore a backup';
  return `the database has schema ${version}, this program ${SCHEMA_VERSION}: ${version < SCHEMA_VERSION ? older : newer}`;
}

function values(statement: Statement): SQLInputValue[] {
  return statement.parameters.map(value => {
    if (value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string')
      return value;
    throw new TypeError(`a parameter is a ${typeof value}: only text, numbers and null go into the database`);
  });
}
