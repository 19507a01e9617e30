// MAIL and RCPT as they go on the wire: from the parsed addresses, never from what the client typed. Pure.

import { type Address, isAscii } from '../mail/address.ts';
import type { Envelope, Recipient, ReversePath } from '../mail/envelope.ts';
import { MailError } from '../mail/error.ts';

import type { SessionCapabilities } from './hop-session.ts';

export type MailParameters = Pick<Envelope, 'smtpUtf8' | 'body' | 'declaredSize'>;

/**
 * MAIL with the parameters asked for that the server knows. Throws MailError needsSmtpUtf8 where the envelope needs
 * what the server has not: there is no downgrade (RFC 6531 section 3.2).
 */
export function mailCommand(from: ReversePath, asked: MailParameters, can: SessionCapabilities): string {
  const isUtf8 = asked.smtpUtf8 || !(from.address === null || isAscii(from.address));
  if (isUtf8 && !can.smtpUtf8) throw new MailError('needsSmtpUtf8', 'the next hop offers no SMTPUTF8');
  const parameters = [
    // RFC 1870 section 6.1: an estimate; a server that states no limit may still want it for its disk.
    ...(asked.declaredSize !== null && can.offersSize ? [` SIZE=${asked.declaredSize}`] : []),
    ...(asked.body === '8BITMIME' && can.eightBitMime ? [' BODY=8BITMIME'] : []),
    ...(isUtf8 ? [' SMTPUTF8'] : []),
  ];
  return `MAIL FROM:<${from.address === null ? '' : onWire(from.address, 'badSender')}>${parameters.join('')}`;
}

/** `isUtf8`: MAIL said SMTPUTF8. */
export function rcptCommand(recipient: Recipient, isUtf8: boolean): string {
  if (!isUtf8 && !isAscii(recipient.address)) throw new MailError('needsSmtpUtf8', 'MAIL did not say SMTPUTF8');
  return `RCPT TO:<${onWire(recipient.address, 'badRecipient')}>`;
}

/** The parser lets no control through; this is the last door before another server's command line. */
function onWire(address: Address, reply: 'badSender' | 'badRecipient'): string {
  if (/[\x00-\x1f\x7f]/.test(address.text)) throw new MailError(reply, 'an address has a control character in it');
  return address.text;
}
