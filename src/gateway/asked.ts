// One RCPT of a transaction: where it goes, what became of it, and the answers to it that need no next hop. Called by transaction.ts.

import { type Address, isAlwaysHeard } from '../mail/address.ts';
import type { Disposition } from '../mail/disposition.ts';
import type { Recipient } from '../mail/envelope.ts';
import { HopLost, MailError, replyOf } from '../mail/error.ts';
import type { MailId } from '../mail/mail-id.ts';
import { alwaysHeard } from '../mail/policy.ts';
import type { Route, Router } from '../mail/ports.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import type { Direction } from '../mail/session.ts';
import { refusalState } from './act/act.ts';

/** What became of one RCPT. */
export interface Asked {
  readonly recipient: Recipient;
  readonly reply: Reply;
  readonly isAccepted: boolean;
  readonly disposition: Disposition;
}

/** Throws MailError relayDenied (I6). */
export function routeFor(router: Router, direction: Direction, address: Address): Route {
  // A next hop that trusts us may read more than one address into one: user%other@ours, other!user@ours, and one that
  // folds compatibility letters even where these signs are written in their wide forms.
  if (direction === 'incoming' && /[%!@]/.test(address.localPart.normalize('NFKC'))) {
    throw new MailError('relayDenied', `routed address ${address.text}`);
  }
  const route = router(direction, address);
  if (route === null) throw new MailError('relayDenied', `no route to ${address.text}`);
  return isAlwaysHeard(address) ? { ...route, policy: alwaysHeard(route.policy) } : route;
}

export function isSameRoute(a: Route, b: Route): boolean {
  return a.hop === b.hop && a.policy.name === b.policy.name;
}

/** As a sender's bounce shows it to people, who then ask for it: `trace` finds it. */
export function withId(reply: Reply, id: MailId): Reply {
  return { ...reply, text: `${reply.text} (${id})` };
}

export function unreachable(words: string): Disposition {
  return { state: 'deferred', words, host: '' };
}

/** By `error`. Where the next hop went away in the middle, how it did. */
export function refusedByUs(recipient: Recipient, error: unknown): Asked {
  const reply = replyOf(error);
  const words = error instanceof HopLost ? error.message : replyText(reply);
  return { recipient, reply, isAccepted: false, disposition: { state: refusalState(reply), words, host: '' } };
}
