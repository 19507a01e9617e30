// The database of one host: every state of every message (DESIGN step 8). SQLite on a writer thread and a reader thread;
// PostgreSQL can take its place behind the same interface. Ledger and quarantine ask it; nobody else does.

import type { Health } from '../mail/ports.ts';
import { errorText } from '../platform/log.ts';
import { compiled, type Queries, type Query, type Step, sqliteQueries } from './queries.ts';
import { ReadEnd } from './read-end.ts';
import { type ClientLimits, ThreadClient } from './thread-client.ts';
import { type Trouble, Writer } from './writer.ts';

export interface Reader {
  /** Rows of one query, at most 10,000. Throws MailError. */
  read<Row>(build: (db: Queries) => Query<Row>): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface Store extends Reader {
  /**
   * All steps or none; resolves, with the number of rows each changed, when they are committed and on disk.
   * Throws RowsChanged where a step's `mustChange` does not hold, CommitUnknown where nobody knows, else MailError.
   */
  write(build: (db: Queries) => readonly Step[]): Promise<readonly number[]>;
  /** Why nothing can be written now, null while it can. It is found out by itself when that is over. */
  trouble(): Trouble | null;
  health(): Promise<Health>;
}

export interface StoreOptions {
  /** The database file; its folder is there. */
  readonly path: string;
  /** Requests that may wait, of each kind; default 1000: with 100 KB each still below 100 MB. */
  readonly queueMax?: number;
  /** For one request, milliseconds; default 30 s: well within the 10 minutes a client waits after its dot. */
  readonly deadlineMs?: number;
  /** For a lock of another process, milliseconds; default 5 s. */
  readonly busyMs?: number;
}

/** Opens the database for this process, and makes or migrates it. Throws MailError. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const limits = limitsOf(options);
  const thread = { path: options.path, busyMs: options.busyMs ?? 5000 };
  const writer = await Writer.open(() => ThreadClient.start({ ...thread, role: 'writer' }, limits));
  try {
    return new SqliteStore(writer, await ReadEnd.open(() => ThreadClient.start({ ...thread, role: 'reader' }, limits)));
  } catch (error) {
    await writer.close();
    throw error;
  }
}

/** Opens it for reading only, also beside the running gateway: for commands that print. Throws MailError. */
export async function openReadOnly(options: StoreOptions): Promise<Reader> {
  const thread = { path: options.path, busyMs: options.busyMs ?? 5000, role: 'reader' } as const;
  return new SqliteReader(await ReadEnd.open(() => ThreadClient.start(thread, limitsOf(options))));
}

function limitsOf({ queueMax = 1000, deadlineMs = 30_000 }: StoreOptions): ClientLimits {
  return { queueMax, deadlineMs };
}

class SqliteReader implements Reader {
  protected readonly queries = sqliteQueries();
  readonly #reader: ReadEnd;

  constructor(reader: ReadEnd) {
    this.#reader = reader;
  }

  async read<Row>(build: (db: Queries) => Query<Row>): Promise<readonly Row[]> {
    const answer = await this.#reader.ask([compiled(build(this.queries))]);
    // The rows are what the query's type says: the tables are STRICT, and the migrations make them.
    return 'rows' in answer ? (answer.rows as readonly Row[]) : [];
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }
}

class SqliteStore extends SqliteReader implements Store {
  readonly #writer: Writer;

  constructor(writer: Writer, reader: ReadEnd) {
    super(reader);
    this.#writer = writer;
  }

  async write(build: (db: Queries) => readonly Step[]): Promise<readonly number[]> {
    const answer = await this.#writer.ask(build(this.queries).map(compiled));
    return 'changes' in answer ? answer.changes : [];
  }

  trouble(): Trouble | null {
    return this.#writer.trouble;
  }

  async health(): Promise<Health> {
    const trouble = this.trouble();
    if (trouble !== null) {
      const says = `cannot be written since ${new Date(trouble.since).toISOString()}, no mail is taken: ${trouble.says}`;
      return { part: 'database', level: 'down', says, next: 'mend that; Postern finds out by itself' };
    }
    if (this.#writer.isBusy) {
      return { part: 'database', level: 'degraded', says: 'too many writes wait', next: 'is the disk slow or full?' };
    }
    try {
      await this.read(db => db.selectFrom('migrations').select('version').limit(1));
    } catch (error) {
      return { part: 'database', level: 'down', says: errorText(error), next: 'see docs/failure.md' };
    }
    return { part: 'database', level: 'ok', says: 'reads and writes', next: '' };
  }

  /** The writer last: it folds the write-ahead log into the file when nobody else has it open. */
  override async close(): Promise<void> {
    await super.close();
    await this.#writer.close();
  }
}
