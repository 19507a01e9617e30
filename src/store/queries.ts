// Typed queries: Kysely compiles them, the database thread runs them. Nobody else imports the package.

import {
  type Compilable,
  DummyDriver,
  type Insertable,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

import type { Schema } from './schema.ts';
import type { Statement } from './sqlite.ts';

/** Builds queries, runs none. */
export type Queries = Kysely<Schema>;

/** A query whose rows are `Row`. */
export type Query<Row = unknown> = Compilable<Row>;

/** Compiled before. */
type Ready = Pick<Statement, 'sql' | 'parameters'>;

/** A statement of a batch; with `mustChange` the batch is taken back unless it changed that many rows. */
export type Step = Query | Ready | { readonly query: Query; readonly mustChange: number };

/** More rows than nearly every message has are compiled anew. */
const KEPT_ROWS_MAX = 10;

export function sqliteQueries(): Queries {
  return new Kysely<Schema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: db => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

/** Texts of INSERTs, by table, columns and number of rows. */
const insertTexts = new WeakMap<Queries, Map<string, string>>();

/** An INSERT. Compiled once for each table and number of rows: every message writes the same ones. */
export function insertion<T extends keyof Schema & string>(
  db: Queries,
  table: T,
  rows: readonly Insertable<Schema[T]>[],
): Step {
  const [columns = '', ...others] = rows.map(row => Object.keys(row).join(' '));
  if (rows.length > KEPT_ROWS_MAX || others.some(other => other !== columns)) return db.insertInto(table).values(rows);
  const texts = insertTexts.get(db) ?? new Map<string, string>();
  insertTexts.set(db, texts);
  const key = `${rows.length} ${table} ${columns}`;
  const sql = texts.get(key) ?? db.insertInto(table).values(rows).compile().sql;
  texts.set(key, sql);
  return { sql, parameters: rows.flatMap(row => Object.values(row)) };
}

export function compiled(step: Step): Statement {
  if ('sql' in step) return { ...step, mustChange: null };
  const { query, mustChange } = 'query' in step ? step : { query: step, mustChange: null };
  const { sql, parameters } = query.compile();
  return { sql, parameters, mustChange };
}
