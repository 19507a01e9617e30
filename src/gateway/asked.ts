// What became of one RCPT of a transaction, and the answers to it that need no next hop. Called by transaction.ts.

import type { Disposition } from '../mail/disposition.ts';
import type { Recipient } from '../mail/envelope.ts';
import type { Route } from '../mail/ports.ts';
import { type Reply, replyText } from '../mail/reply.ts';
import { refusalState } from './act/act.ts';

/** What became of one RCPT. */
export interface Asked {
  readonly recipient: Recipient;
  readonly reply: Reply;
  readonly isAccepted: boolean;
  readonly disposition: Disposition;
}

export function isSameRoute(a: Route, b: Route): boolean {
  return a.hop === b.hop && a.policy.name === b.policy.name;
}

export function unreachable(words: string): Disposition {
  return { state: 'deferred', words, host: '' };
}

export function refusedByUs(recipient: Recipient, reply: Reply): Asked {
  return {
    recipient,
    reply,
    isAccepted: false,
    disposition: { state: refusalState(reply), words: replyText(reply), host: '' },
  };
}
