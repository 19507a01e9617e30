// Typed queries: Kysely compiles them, the database thread runs them. Nobody else imports the package.

import { type Compilable, DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';

import type { Schema } from './schema.ts';
import type { Statement } from './sqlite.ts';

/** Builds queries, runs none. */
export type Queries = Kysely<Schema>;

/** A query whose rows are `Row`. */
export type Query<Row = unknown> = Compilable<Row>;

/** A statement of a batch; with `mustChange` the batch is taken back unless it changed that many rows. */
export type Step = Query | { readonly query: Query; readonly mustChange: number };

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

export function compiled(step: Step): Statement {
  const { query, mustChange } = 'query' in step ? step : { query: step, mustChange: null };
  const { sql, parameters } = query.compile();
  return { sql, parameters, mustChange };
}
