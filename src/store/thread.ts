// The database thread: store.ts starts one that writes and one that reads. It answers every request it was sent, one
// message for all it did at a time. It never throws: what fails is an answer.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { failpointNow } from '../platform/failpoint.ts';
import { type Failure, failureOf } from './failure.ts';
import { type BatchResult, Sqlite, type SqliteOptions, type Statement } from './sqlite.ts';

export interface ThreadOptions extends SqliteOptions {
  readonly role: 'writer' | 'reader';
}

export interface Request {
  readonly id: number;
  readonly statements: readonly Statement[];
}

export type Answer =
  | { readonly id: number; readonly rows: readonly object[] }
  | { readonly id: number; readonly changes: readonly number[] }
  | { readonly id: number; readonly failure: Failure };

/** The first message of a thread: null when the database is open. */
export interface Opened {
  readonly opened: Failure | null;
}

/** Batches in one transaction: enough to share an fsync, few enough that the first does not wait long. */
const GROUP_MAX = 256;

type Incoming = Request | 'close';

const port = parentPort;
if (port !== null) start(port, workerData);

function start(port: NonNullable<typeof parentPort>, options: ThreadOptions): void {
  let database: Sqlite;
  try {
    database = options.role === 'writer' ? Sqlite.openWriter(options) : Sqlite.openReader(options);
  } catch (error) {
    port.postMessage({ opened: failureOf(options.path, error) } satisfies Opened);
    port.close();
    return;
  }
  port.postMessage({ opened: null } satisfies Opened);
  port.on('message', (first: Incoming) => {
    const waiting = [first, ...drain(port)];
    const requests = waiting.filter(item => item !== 'close');
    if (requests.length > 0) port.postMessage(answers(database, options, requests));
    if (waiting.includes('close')) {
      database.close();
      port.close();
    }
  });
}

function drain(port: NonNullable<typeof parentPort>): Incoming[] {
  const found: Incoming[] = [];
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
    found.push(next.message);
    if (found.length === GROUP_MAX - 1) break;
  }
  return found;
}

function answers(database: Sqlite, options: ThreadOptions, requests: readonly Request[]): Answer[] {
  if (options.role === 'reader') return requests.map(request => readAnswer(database, options.path, request));
  const results = database.writeGroup(requests.map(request => request.statements));
  failpointNow('store.committed');
  return requests.map(({ id }, index) => writeAnswer(id, results[index]));
}

function readAnswer(database: Sqlite, path: string, { id, statements }: Request): Answer {
  try {
    return { id, rows: statements.flatMap(statement => [...database.read(statement)]) };
  } catch (error) {
    return { id, failure: failureOf(path, error) };
  }
}

function writeAnswer(id: number, result: BatchResult | undefined): Answer {
  if (result === undefined) return { id, failure: { kind: 'other', says: 'the database gave no result' } };
  return 'failure' in result ? { id, failure: result.failure } : { id, changes: result.changes };
}
