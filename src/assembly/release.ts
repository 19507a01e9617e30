// Brings a released copy to its next hop: the same hop that mail to this recipient takes today.

import { MailError } from '../mail/error.ts';
import { orAborted } from '../platform/deadline.ts';
import type { Deliver } from '../quarantine/release.ts';
import type { Routes } from './router.ts';

/** From the connection to the dot. */
const BEFORE_DOT_MS = 4 * 60_000;
/** For the reply to the dot. Together 9 minutes: shorter than the control socket's 10, and those than the command's 11. */
const AFTER_DOT_MS = 5 * 60_000;

export function deliverBy(routes: () => Routes): Deliver {
  return async ({ envelope, recipient, body }) => {
    const hop = routes().hopFor(recipient.address);
    if (hop === null) throw new MailError('relayDenied', `no next hop for <${recipient.address.text}> in the settings`);
    const replyBy = Date.now() + BEFORE_DOT_MS + AFTER_DOT_MS;
    const signal = AbortSignal.timeout(BEFORE_DOT_MS);
    const transaction = await hop.open(signal);
    try {
      const mail = await inTime(signal, transaction.mail(envelope.mailFrom, envelope, recipient));
      if (mail.code < 200 || mail.code > 299) return { host: transaction.host, reply: mail };
      const rcpt = await inTime(signal, transaction.rcpt(recipient));
      if (rcpt.code < 200 || rcpt.code > 299) return { host: transaction.host, reply: rcpt };
      return { host: transaction.host, reply: await transaction.data(body, signal, replyBy) };
    } finally {
      transaction.release();
    }
  };
}

/** A MailError says that nothing was sent, so that the copy is held as before. */
async function inTime<T>(signal: AbortSignal, said: Promise<T>): Promise<T> {
  return orAborted(signal, said).catch(error => {
    if (error instanceof MailError) throw error;
    throw new MailError('hopSilent', 'the next hop was too slow before the message was sent', { cause: error });
  });
}
