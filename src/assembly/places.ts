// Where things lie in the data folder that the gateway and the commands both open. Apart from the parts that use them,
// so that a command that only reads starts fast.

import { join } from 'node:path';

const DATABASE = 'postern.db';

/** The database of a data folder. */
export function databasePath(data: string): string {
  return join(data, DATABASE);
}

/** What a gateway keeps in its data folder; test/e2e/first-run.test.ts looks whether anything is missing here. */
const OURS: ReadonlySet<string> = new Set([
  ...['spool', 'quarantine', 'keys', 'redis', 'clamd', 'mailbox'],
  ...[DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`],
  ...['lock', 'control.sock', 'postern.log', 'samples-sent'],
]);

/** Whether this name in a data folder is one of ours: others put theirs beside, such as the lost+found of a disk. */
export function isOurs(name: string): boolean {
  return OURS.has(name);
}
