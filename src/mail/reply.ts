// Every reply Postern gives in its own words, one row each (I5). The text is public: it names no scanner, rule, host,
// path or setting. What really happened stands in our log under the id.

export interface Reply {
  readonly code: number;
  /** RFC 3463 status. */
  readonly enhanced: string;
  readonly text: string;
}

export const REPLIES = {
  // What a client may do better at once.
  badSequence: { code: 503, enhanced: '5.5.1', text: 'Bad sequence of commands' },
  badSyntax: { code: 501, enhanced: '5.5.4', text: 'Syntax error in parameters or arguments' },
  helloFirst: { code: 503, enhanced: '5.5.1', text: 'Send HELO or EHLO first' },
  unknownCommand: { code: 500, enhanced: '5.5.2', text: 'Command not recognised' },
  notImplemented: { code: 502, enhanced: '5.5.1', text: 'Command not implemented' },
  notHttp: { code: 421, enhanced: '4.7.0', text: 'This is a mail server, closing the connection' },
  tooSoon: { code: 421, enhanced: '4.5.1', text: 'Wait for the greeting, closing the connection' },
  bareLineFeed: { code: 500, enhanced: '5.5.2', text: 'Lines end with CR LF' },
  lineTooLong: { code: 421, enhanced: '4.5.2', text: 'Command line too long, closing the connection' },
  tooManyErrors: { code: 421, enhanced: '4.7.0', text: 'Too many errors, closing the connection' },
  outOfStep: { code: 421, enhanced: '4.5.0', text: 'Commands out of step, closing the connection' },
  unknownParameter: { code: 555, enhanced: '5.5.4', text: 'Parameter not recognised' },
  badSender: { code: 553, enhanced: '5.1.7', text: 'That is no valid sender address' },
  badRecipient: { code: 553, enhanced: '5.1.3', text: 'That is no valid recipient address' },
  noRecipients: { code: 554, enhanced: '5.5.1', text: 'No valid recipients' },
  tooManyRecipients: {
    code: 452,
    enhanced: '4.5.3',
    text: 'Too many recipients, send the others in another transaction',
  },
  // RFC 5321 4.5.3.1.10: the client sends this recipient again in a transaction of its own.
  otherTransaction: { code: 452, enhanced: '4.5.3', text: 'Send this recipient in another transaction' },
  needsSmtpUtf8: { code: 553, enhanced: '5.6.7', text: 'The destination does not take internationalised addresses' },
  // There is a remedy, and the client has it: EHLO says whether SMTPUTF8 is offered (RFC 6531 section 3.4).
  utf8NotSaid: { code: 553, enhanced: '5.6.7', text: 'An address beyond ASCII needs SMTPUTF8 in MAIL' },
  needsEightBitMime: { code: 550, enhanced: '5.6.3', text: 'The destination does not take 8-bit content' },

  // Who may send where.
  relayDenied: { code: 550, enhanced: '5.7.1', text: 'Relaying denied' },
  notTrusted: { code: 554, enhanced: '5.7.1', text: 'Access denied' },
  tooManyConnections: { code: 421, enhanced: '4.7.0', text: 'Too many connections, try again later' },
  tooManyMessages: { code: 450, enhanced: '4.7.1', text: 'Too many messages, try again later' },

  enoughMessages: { code: 421, enhanced: '4.7.0', text: 'Enough messages in one connection, connect again' },

  // What the content makes impossible.
  tooLarge: { code: 552, enhanced: '5.3.4', text: 'Message size exceeds the limit' },
  nulInContent: { code: 550, enhanced: '5.6.0', text: 'Message contains a NUL character' },
  bareNewline: { code: 550, enhanced: '5.5.2', text: 'Message contains a bare CR or LF' },
  loop: { code: 554, enhanced: '5.4.6', text: 'Routing loop detected' },
  rejected: { code: 550, enhanced: '5.7.1', text: 'Message refused by policy' },

  // Our own trouble: the client keeps the message and tries again.
  unknownError: { code: 451, enhanced: '4.3.0', text: 'Temporary failure, try again later' },
  notReady: { code: 451, enhanced: '4.3.0', text: 'Temporarily not able to process mail, try again later' },
  busy: { code: 451, enhanced: '4.3.2', text: 'Busy, try again later' },
  deferred: { code: 451, enhanced: '4.7.1', text: 'Message cannot be checked at the moment, try again later' },
  noSpace: { code: 452, enhanced: '4.3.1', text: 'Insufficient storage, try again later' },
  hopUnreachable: { code: 451, enhanced: '4.4.1', text: 'The destination cannot be reached, try again later' },
  // An error of the settings, which are mended sooner than a sender gives up.
  hopIsOurself: { code: 451, enhanced: '4.4.6', text: 'Routing loop detected, try again later' },
  // Other than EHLO promised: a host that was not seen before, or stands in for another.
  hopIncapable: { code: 451, enhanced: '4.3.3', text: 'The destination cannot take this message now, try again later' },
  hopSilent: { code: 451, enhanced: '4.4.2', text: 'The destination did not answer, try again later' },
  deadline: { code: 421, enhanced: '4.4.2', text: 'Timeout, closing the connection' },
  tooSlow: { code: 421, enhanced: '4.4.2', text: 'Data arrives too slowly, closing the connection' },
  shuttingDown: { code: 421, enhanced: '4.3.2', text: 'Service shutting down, try again later' },

  // What is as it should be.
  flushed: { code: 250, enhanced: '2.0.0', text: 'Ok' },
  help: { code: 214, enhanced: '2.0.0', text: 'Commands: EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP STARTTLS QUIT' },
  notVerified: { code: 252, enhanced: '2.5.0', text: 'Not verified, but mail is taken and delivery attempted' },
  startTls: { code: 220, enhanced: '2.0.0', text: 'Ready to start TLS' },
  goodbye: { code: 221, enhanced: '2.0.0', text: 'Bye' },
  senderOk: { code: 250, enhanced: '2.1.0', text: 'Sender ok' },
  recipientOk: { code: 250, enhanced: '2.1.5', text: 'Recipient ok' },
  // What we have taken. The id follows the text.
  accepted: { code: 250, enhanced: '2.6.0', text: 'Message accepted' },
} as const satisfies Record<string, Reply>;

export type ReplyName = keyof typeof REPLIES;

/** `550 5.7.1 Relaying denied`. */
export function replyText(reply: Reply): string {
  return `${reply.code} ${reply.enhanced} ${reply.text}`;
}

/** What another server's reply says of our own session with it, not of the mail: syntax, sequence, TLS, login. */
const OURS_TO_MEND = [421, 500, 502, 503, 530, 534, 535, 538];
/** RFC 5321 4.5.3.1.5: 512 octets with all that stands before it. */
const TEXT_MAX = 400;

/**
 * What another server said, as far as we pass it on: code and enhanced status, its text only where asked for (I5).
 * 421 would close our own connection; 2yz or 3yz at the wrong time says only that the server is confused; and what
 * complains of us would make senders give up for an error that the administrator can mend: all these are 451.
 */
export function mirrored(said: { code: number; enhanced: string | null; text: string }, passText: boolean): Reply {
  const isRefusal = said.code >= 400 && said.code <= 599 && !OURS_TO_MEND.includes(said.code);
  const code = isRefusal ? said.code : 451;
  const kind = Math.floor(code / 100);
  const isFitting = isRefusal && new RegExp(`^${kind}\\.\\d{1,3}\\.\\d{1,3}$`).test(said.enhanced ?? '');
  const enhanced = isFitting ? (said.enhanced ?? '') : isRefusal ? `${kind}.0.0` : '4.3.0';
  const ours = code < 500 ? 'Not accepted now by the destination, try again later' : 'Refused by the destination';
  return { code, enhanced, text: passText && isRefusal && said.text !== '' ? publicText(said.text) : ours };
}

/** Printable ASCII, for nobody has asked for more in replies (RFC 6531 3.7.4.1). */
function publicText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/gu, '?').slice(0, TEXT_MAX);
}

/** What another server said, as the books keep it: code, enhanced status and text, as far as it gave them. */
export function hopWords(said: { code: number; enhanced: string | null; text: string }): string {
  return [said.code, said.enhanced, said.text].filter(word => word !== null && word !== '').join(' ');
}
