// An error of the file system as one that knows its reply: a full disk is 452, all else 451 (I5). Spool and quarantine
// pass every error of theirs through here.

import { MailError } from '../mail/error.ts';

/** No room, no quota, or a file size limit: the sender keeps the message and comes back. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function diskError(what: string, error: unknown): MailError {
  if (error instanceof MailError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new MailError(FULL.has(code) ? 'noSpace' : 'unknownError', what, { cause: error });
}
