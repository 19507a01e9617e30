// The id of a message and of its copies: in every log line, reply, file name, Redis key and database row.
// Made at MAIL; safe wherever it stands, so nothing ever has to escape it.

/** 18 characters of Crockford's base32 in lower case: 10 of time (sorts by arrival), 8 of chance. */
export type MailId = string & { readonly __mailId: true };

/** A recipient's copy: the message's id, a hyphen, and the recipient's place in the envelope counted from 1. */
export type CopyId = string & { readonly __copyId: true };

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const MAIL_ID = /^[0-9a-hjkmnp-tv-z]{18}$/;
const COPY_ID = /^[0-9a-hjkmnp-tv-z]{18}-[1-9][0-9]{0,3}$/;

/** A new id from the time (epoch milliseconds) and at least 5 random bytes of the caller's. */
export function mailId(nowMs: number, random: Uint8Array): MailId {
  if (random.length < 5) throw new RangeError('mailId needs 5 random bytes');
  let id = '';
  for (let rest = Math.floor(nowMs), i = 0; i < 10; i++, rest = Math.floor(rest / 32)) id = ALPHABET[rest % 32] + id;
  let chance = 0n;
  for (const byte of random.subarray(0, 5)) chance = (chance << 8n) | BigInt(byte);
  for (let shift = 35n; shift >= 0n; shift -= 5n) id += ALPHABET[Number((chance >> shift) & 31n)];
  return id as MailId;
}

/** When an id was made, epoch milliseconds. */
export function timeOf(id: MailId): number {
  let ms = 0;
  for (const char of id.slice(0, 10)) ms = ms * 32 + ALPHABET.indexOf(char);
  return ms;
}

/** The id of the copy for the recipient at `index` (from 0) of the envelope. */
export function copyId(id: MailId, index: number): CopyId {
  return `${id}-${index + 1}` as CopyId;
}

/** The message a copy belongs to. */
export function mailIdOf(copy: CopyId): MailId {
  return copy.slice(0, copy.indexOf('-')) as MailId;
}

export function isMailId(text: string): text is MailId {
  return MAIL_ID.test(text);
}

export function isCopyId(text: string): text is CopyId {
  return COPY_ID.test(text);
}
