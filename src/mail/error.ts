// The error that knows its reply (I5). Its message and cause are for our log, never for the wire.

import { REPLIES, type Reply, type ReplyName } from './reply.ts';

export class MailError extends Error {
  override readonly name = 'MailError';
  readonly reply: Reply;

  constructor(reply: ReplyName, privateMessage: string, options?: { cause?: unknown }) {
    super(privateMessage, options);
    this.reply = REPLIES[reply];
  }
}

/** The next hop went away in the middle. After the dot nobody knows whether it took the message. */
export class HopLost extends MailError {
  readonly afterDot: boolean;

  constructor(afterDot: boolean, privateMessage: string, options?: { cause?: unknown }) {
    super(afterDot ? 'hopSilent' : 'hopUnreachable', privateMessage, options);
    this.afterDot = afterDot;
  }
}

/** The reply an error stands for: its own, or 451 for whatever is not known (I5). */
export function replyOf(error: unknown): Reply {
  return error instanceof MailError ? error.reply : REPLIES.unknownError;
}
