// What EHLO offered, and what follows where the next hop turns out to lack it. Called by connection and transaction.

import type { HopCapabilities } from '../../mail/ports.ts';
import type { ReplyName } from '../../mail/reply.ts';
import type { MailArguments } from './parameters.ts';

export interface Offers {
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
}

export const NO_OFFERS: Offers = { eightBitMime: false, smtpUtf8: false };

/** The keywords of the reply to EHLO; `sizeBytes` as in SIZE. */
export function keywords({ eightBitMime, smtpUtf8 }: Offers, sizeBytes: number, startTls: boolean): string[] {
  return [
    'PIPELINING',
    ...(eightBitMime ? ['8BITMIME'] : []),
    'ENHANCEDSTATUSCODES',
    `SIZE ${sizeBytes}`,
    ...(smtpUtf8 ? ['SMTPUTF8'] : []),
    ...(startTls ? ['STARTTLS'] : []),
  ];
}

/**
 * The refusal of a transaction that asks for more than the hop has, null where all is well. What EHLO offered was true of
 * the hosts seen until then (a backup may take their place), so it must not become a permanent refusal: it is 451.
 */
export function lackOf(
  mail: Pick<MailArguments, 'body' | 'smtpUtf8'>,
  has: HopCapabilities,
  offers: Offers,
): ReplyName | null {
  if (mail.smtpUtf8 && !has.smtpUtf8) return offers.smtpUtf8 ? 'hopIncapable' : 'needsSmtpUtf8';
  if (mail.body !== '8BITMIME' || has.eightBitMime) return null;
  return offers.eightBitMime ? 'hopIncapable' : 'needsEightBitMime';
}
