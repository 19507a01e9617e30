// How much a client may get wrong before it is sent away: probing and chatting have an end. One for each connection.

import { REPLIES, type Reply } from '../../mail/reply.ts';

/**
 * Refused commands since the last message that was taken, then the connection is closed: probing has no end. Never
 * fewer than the recipients of one transaction, or a message with many unknown ones would never reach the others.
 */
const REFUSALS_MIN = 100;
/** Lines since the last answer that was more than Ok that are no command: a web browser, or a stray protocol. */
const UNKNOWN_MAX = 10;
/** Commands since the last message that was taken: more than any transaction has, so that NOOP for ever ends too. */
const COMMANDS_MAX = 20_000;

export class Patience {
  #refusals = 0;
  #unknown = 0;
  #commands = 0;

  /** One command more; false where there were too many. */
  hasCommand(): boolean {
    return ++this.#commands <= COMMANDS_MAX;
  }

  /** One line more that is no command; false where there were too many. */
  hasUnknown(): boolean {
    return ++this.#unknown < UNKNOWN_MAX;
  }

  /** Counts an answer; false where it is one refusal too many. `recipients` is the limit of one transaction. */
  hasAnswer(reply: Reply, recipients: number): boolean {
    // To be asked to come again with the rest is no error of the client's.
    const isError = reply.code >= 400 && reply !== REPLIES.otherTransaction && reply !== REPLIES.tooManyRecipients;
    if (isError) this.#refusals++;
    else if (reply.code === 250 && reply !== REPLIES.flushed) this.#unknown = 0;
    return this.#refusals <= Math.max(REFUSALS_MIN, recipients);
  }

  /** A message was taken: all is forgotten. */
  renew(): void {
    this.#refusals = this.#unknown = this.#commands = 0;
  }
}
