// The envelope of one transaction: what MAIL and RCPT said, raw and parsed (RFC 5321 section 2.3.1).

import type { Address } from './address.ts';

export interface ReversePath {
  /** The argument of MAIL as the client sent it, after `FROM:`, parameters included. */
  readonly raw: string;
  /** null is the null sender `<>`. */
  readonly address: Address | null;
}

export interface Recipient {
  /** The argument of RCPT as the client sent it, after `TO:`, parameters included. */
  readonly raw: string;
  readonly address: Address;
}

export interface Envelope {
  readonly mailFrom: ReversePath;
  readonly rcptTo: readonly Recipient[];
  /** MAIL said SMTPUTF8 (RFC 6531). */
  readonly smtpUtf8: boolean;
  /** The BODY parameter (RFC 6152). */
  readonly body: '7BIT' | '8BITMIME';
  /** The SIZE parameter in bytes (RFC 1870), null where none was given. */
  readonly declaredSize: number | null;
}

/** A reverse-path as people read it: `<>` or `<local@domain>`. */
export function reversePathText(path: ReversePath): string {
  return `<${path.address?.text ?? ''}>`;
}
