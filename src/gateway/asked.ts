// The RCPTs of a transaction: where each goes, what became of it, and the answers to it that need no next hop. Called by
// transaction.ts. Whoever was named has an end here at any time, also while the next hop is being asked (I4).

import { type Address, isAlwaysHeard } from '../mail/address.ts';
import type { Disposition, State } from '../mail/disposition.ts';
import type { Recipient } from '../mail/envelope.ts';
import { HopLost, MailError, replyOf } from '../mail/error.ts';
import { copyId, type MailId } from '../mail/mail-id.ts';
import { alwaysHeard } from '../mail/policy.ts';
import type { LedgerRecord, Route, Router } from '../mail/ports.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import type { Direction } from '../mail/session.ts';
import { refusalState } from './act/act.ts';

/** What became of one RCPT. */
export interface Asked {
  readonly recipient: Recipient;
  /** null while the next hop is asked. */
  readonly reply: Reply | null;
  readonly isAccepted: boolean;
  readonly disposition: Disposition;
}

export interface Answered extends Asked {
  readonly reply: Reply;
}

/** What stands if the client goes before the answer. */
const UNANSWERED: Disposition = {
  state: 'abandoned',
  words: 'the client had gone before the next hop answered',
  host: '',
};

/** A recipient that could not be read. */
export interface Unread {
  /** What followed `RCPT TO:`. */
  readonly raw: string;
  /** Ours to it. */
  readonly reply: string;
}

/** Kept for the log, which tells no more; the others are counted. */
const UNREAD_MAX = 20;

/** All recipients of a transaction, in the order they were named. */
export class Recipients {
  readonly #all: Asked[] = [];
  readonly #unread: Unread[] = [];
  #unreadCount = 0;

  /** An error of syntax has no place in the books, but one in the log. */
  notRead(unread: Unread): void {
    this.#unreadCount++;
    if (this.#unread.length < UNREAD_MAX) this.#unread.push(unread);
  }

  get isEmpty(): boolean {
    return this.#all.length + this.#unreadCount === 0;
  }

  /** For the log line. */
  get told(): { readonly asked: readonly Asked[]; readonly unread: readonly Unread[]; readonly unreadCount: number } {
    return { asked: this.#all, unread: this.#unread, unreadCount: this.#unreadCount };
  }

  get all(): readonly Asked[] {
    return this.#all;
  }

  get accepted(): readonly Asked[] {
    return this.#all.filter(asked => asked.isAccepted);
  }

  /** It is in the books from now on; the answer, which takes its place, or null, where it belongs in others. */
  begin(recipient: Recipient): (answer: Answered | null) => void {
    const waiting: Asked = { recipient, reply: null, isAccepted: false, disposition: UNANSWERED };
    this.#all.push(waiting);
    return answer => void this.#all.splice(this.#all.indexOf(waiting), 1, ...(answer === null ? [] : [answer]));
  }

  /** Accepted ones end as `disposition` says, the others as their RCPT did. */
  copies(id: MailId, disposition: Disposition): LedgerRecord['copies'] {
    return [...this.accepted, ...this.#all.filter(asked => !asked.isAccepted)].map((asked, index) => ({
      copyId: copyId(id, index),
      recipient: asked.recipient,
      disposition: asked.isAccepted ? disposition : asked.disposition,
    }));
  }

  /** As `copies`, for counting. */
  states(state: State): State[] {
    return this.#all.map(asked => (asked.isAccepted ? state : asked.disposition.state));
  }
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
export function refusedByUs(recipient: Recipient, error: unknown): Answered {
  const reply = replyOf(error);
  const words = error instanceof HopLost ? error.message : replyText(reply);
  return { recipient, reply, isAccepted: false, disposition: { state: refusalState(reply), words, host: '' } };
}
