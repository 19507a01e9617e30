// Brings a released copy to its next hop: the same hop that mail to this recipient takes today.

import { MailError } from '../mail/error.ts';
import type { Deliver } from '../quarantine/release.ts';
import type { Routes } from './router.ts';

/** From the connection to the reply to the dot; the hop's own deadlines are shorter. */
const RELEASE_MS = 10 * 60_000;

export function deliverBy(routes: () => Routes): Deliver {
  return async ({ envelope, recipient, body }) => {
    const hop = routes().hopFor(recipient.address);
    if (hop === null) throw new MailError('relayDenied', `no next hop for <${recipient.address.text}> in the settings`);
    const signal = AbortSignal.timeout(RELEASE_MS);
    const transaction = await hop.open(signal);
    try {
      const mail = await transaction.mail(envelope.mailFrom, envelope);
      if (mail.code < 200 || mail.code > 299) return { host: transaction.host, reply: mail };
      const rcpt = await transaction.rcpt(recipient);
      if (rcpt.code < 200 || rcpt.code > 299) return { host: transaction.host, reply: rcpt };
      return { host: transaction.host, reply: await transaction.data(body, signal) };
    } finally {
      transaction.release();
    }
  };
}
