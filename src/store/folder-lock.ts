// One process a data folder: a lock that the system takes back when its holder dies, however it dies. Node has none of
// its own, so it is SQLite's, on a file of its own. Called by main.ts before anything in the folder is touched.

import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** SQLITE_BUSY, see sqlite.org/rescode.html. */
const BUSY = 5;

/** The function that gives the lock back; null where another process has it. Throws where the file cannot be used. */
export function lockFolder(path: string): (() => void) | null {
  // Before SQLite opens it: to close a file drops all locks that the process has on it.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return () => database.close();
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && Number(error.errcode) === BUSY) return null;
    throw error;
  }
}
