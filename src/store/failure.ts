// What can go wrong with the database, as errors that know their reply (I5). The words are for our log and for the
// person who repairs it.

import { MailError } from '../mail/error.ts';

/** A step found other rows than it expected: somebody was faster. Nothing of its batch was written. */
export class RowsChanged extends MailError {
  constructor(privateMessage: string) {
    super('unknownError', privateMessage);
  }
}

/** The thread died or gave no answer in time: nobody knows whether the batch was committed. */
export class CommitUnknown extends MailError {
  constructor(privateMessage: string) {
    super('unknownError', privateMessage);
  }
}

/** Nothing can be written at the moment, and not for what was to be written: locked, full, broken, gone. */
export class DatabaseTrouble extends MailError {}

/** An error as it crosses from the thread. */
export interface Failure {
  /** trouble, full: of the database as a whole; other: of this batch alone. */
  readonly kind: 'changed' | 'full' | 'trouble' | 'other';
  readonly says: string;
}

export function failureError(failure: Failure): MailError {
  if (failure.kind === 'changed') return new RowsChanged(failure.says);
  if (failure.kind === 'other') return new MailError('unknownError', failure.says);
  return new DatabaseTrouble(failure.kind === 'full' ? 'noSpace' : 'unknownError', failure.says);
}

/** Primary result codes of SQLite (sqlite.org/rescode.html) that a person can do something about. */
const SAYS: Readonly<Record<number, string>> = {
  5: 'the database is locked by another process: which one has it open?',
  6: 'the database is locked',
  8: 'the database is read-only: may this user write the file and its folder?',
  10: 'the disk gave an error while the database was read or written: see the log of the kernel',
  11: 'the database is damaged: stop Postern, keep a copy of the file, and restore it from a backup',
  13: 'the database or its disk is full: make room',
  14: 'the database cannot be opened: is the folder there, and may this user write in it?',
  26: 'the file is no database: was it overwritten?',
};

export function failureOf(path: string, error: unknown): Failure {
  if (error instanceof RowsChanged) return { kind: 'changed', says: error.message };
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  const isFull = code === 13 || /ENOSPC|EDQUOT/.test(text);
  const says = SAYS[code] === undefined ? text : `${SAYS[code]} (${text})`;
  const kind = isFull ? 'full' : SAYS[code] === undefined ? 'other' : 'trouble';
  return { kind, says: `${path}: ${says}` };
}
