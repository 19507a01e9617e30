// Places where the fault run (test/faults) makes Postern fail on purpose: killed, out of space, slow, or with an error that
// nobody expects. Rooms call `failpoint` by name between the steps of a message's way. Off unless the environment names a
// folder in POSTERN_FAILPOINTS; never set that where mail is real.

import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

import { pause } from './deadline.ts';

/** Every place once, in the order of a message's way; what is known to be done there and what is not. */
export const FAILPOINTS = {
  connect: 'a client has connected and was not greeted',
  mail: 'MAIL has come',
  rcpt: 'RCPT has come',
  'hop.open': 'a connection to the next hop is wanted',
  'hop.mail': 'MAIL was not said to the next hop yet',
  'hop.rcpt': 'the reply to RCPT was not waited for yet; with PIPELINING it is said',
  'spool.create': 'there is no file for the message yet',
  'data.begin': 'the first bytes of the message are here, and in no file',
  'spool.write': 'some bytes were not written yet',
  'spool.seal': 'all bytes are written, the envelope is not',
  'spool.sealed': 'envelope and bytes are there, the bytes without their name',
  'scan.enqueue': 'the job is not in the queue yet',
  'scan.take': 'the worker has the job',
  'scan.expand': 'no thread has the message yet',
  'thread.expand': 'on the thread that reads the message',
  'scan.inspect': 'the scanners were not asked yet',
  'scan.combine': 'all scanners have answered',
  'scan.answer': 'the report is not in Redis yet',
  'scan.verdict': 'the report has come back',
  decide: 'nothing is decided yet',
  stamp: 'decided, and no header made',
  'hop.data': 'DATA was not said to the next hop yet',
  'hop.body': 'the next hop waits for the message',
  'hop.dot': 'the next hop has all but the dot',
  'hop.answer': 'the next hop has answered the dot, and nobody knows that here',
  'hold.bytes': 'the bytes to be held are not in quarantine',
  'hold.sync': 'the bytes to be held are in quarantine, perhaps not on disk',
  'hold.record': 'the bytes are in quarantine, the record is not',
  'file.rename': 'a record is written beside and fsynced, and has not its name',
  'file.folder': 'a record has its name, the folder is not fsynced',
  'hold.row': 'bytes and record are on disk, the rows are not',
  'hold.done': 'the rows are committed, the sender was not told',
  'store.write': 'on the thread of the database, before the commit',
  'store.committed': 'on the thread of the database, after the commit',
  'store.read': 'on the thread that reads the database',
  record: 'the message has its end, the rows are not written',
  'record.done': 'the rows are committed, the sender was not told',
  'spool.remove': 'all is done but to remove the files',
  reply: 'the reply to the dot was not said yet',
  'release.begin': 'a copy is to be released, and is held',
  'release.begun': 'the row says releasing, nothing was sent',
  'release.answer': 'the next hop has answered, the row says releasing',
  'release.unlink': 'the row of the last copy is terminal, the files are there',
  'release.done': 'released and removed, nobody was told',
} as const;

export type FailpointName = keyof typeof FAILPOINTS;

/** undefined before the environment was looked at, null where they are off. Threads look for themselves. */
let folder: string | null | undefined;

/**
 * Does nothing, and costs a comparison, unless failpoints are on and a file of this name is in their folder. Its content is
 * what happens: `kill` (SIGKILL of the process), `exit` (of the thread), `throw`, `ENOSPC`, `stall MS`. Whoever removes the
 * file fires: once, whatever the number of threads, and not again after a restart.
 */
export function failpoint(name: FailpointName): Promise<void> | undefined {
  return folder === null ? undefined : reached(name);
}

/** As `failpoint`, where nothing can be waited for: on threads that block. Throws; does not stall. */
export function failpointNow(name: FailpointName): void {
  if (folder === null) return;
  const action = taken(name);
  if (action === null || action.startsWith('stall')) return;
  throw failed(name, action);
}

/** The folder, '' where they are off: for the warning at start. */
export function failpointFolder(): string {
  folder ??= process.env['POSTERN_FAILPOINTS'] || null;
  return folder ?? '';
}

async function reached(name: FailpointName): Promise<void> {
  const action = taken(name);
  if (action === null) return;
  const [, ms] = /^stall (\d+)$/.exec(action) ?? [];
  if (ms === undefined) throw failed(name, action);
  await pause(Number(ms));
}

/** What is to happen here and now, null where nothing is. */
function taken(name: FailpointName): string | null {
  if (failpointFolder() === '') return null;
  const file = join(failpointFolder(), name);
  try {
    const action = readFileSync(file, 'utf8').trim();
    unlinkSync(file);
    return action;
  } catch {
    return null;
  }
}

/** Does not return where the process or the thread ends. */
function failed(name: FailpointName, action: string): Error {
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  // On the main thread it would be an orderly end, which is no fault.
  if (action === 'exit' && !isMainThread) process.exit(1);
  if (action !== 'ENOSPC') return new Error(`failpoint ${name}: ${action}`);
  return Object.assign(new Error(`ENOSPC: no space left on device, failpoint ${name}`), { code: 'ENOSPC', errno: -28 });
}
