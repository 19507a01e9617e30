// What a command line asks for: a command of the session, or no more than an answer. Called by connection.ts for every
// line. Pure; the words of all answers are rows of the table of replies (I5).

import { REPLIES, type Reply } from '../../mail/reply.ts';

/** Commands that change the session, or whose answer depends on it. */
const SESSION_VERBS = ['EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', 'RSET', 'STARTTLS', 'QUIT'] as const;
export type SessionVerb = (typeof SESSION_VERBS)[number];

/** RFC 5321 4.1.1: refused with an argument. RFC 3207 section 4 says the same of STARTTLS. */
const BARE_VERBS: readonly string[] = ['DATA', 'RSET', 'STARTTLS', 'QUIT'];

/**
 * Known from RFC 821, 1985, 2033, 2645, 3030, 4468, 4954, 5321 and from Postfix, and not for everybody, or for nobody:
 * RFC 5321 4.2.4 has 502 for these, and 500 for what nobody knows.
 */
const NOT_IMPLEMENTED: readonly string[] = [
  ...['EXPN', 'AUTH', 'BURL', 'ETRN', 'ATRN', 'TURN', 'SEND', 'SOML', 'SAML', 'LHLO', 'XCLIENT', 'XFORWARD'],
];

/** A web page can make a browser talk to us, with commands in the body: this line ends it. */
const HTTP = /^[A-Z]{3,7} [!-~]{1,2000} HTTP\/\d\.\d$/i;

/** RFC 5321 4.5.3.1.2. */
const HELO_NAME_MAX = 255;

export interface Answer {
  readonly reply: Reply;
  /** No command at all: too many of them, and it is no mail client that talks. */
  readonly isUnknown?: true;
}

/** `line` has no line end. */
export function readCommand(line: string): SessionVerb | Answer {
  const trimmed = line.replace(/[ \t]+$/, '');
  const end = trimmed.search(/[ \t]/);
  const word = end === -1 ? trimmed : trimmed.slice(0, end);
  // Only ASCII has cases here: toUpperCase makes an S of U+017F, and so a command of what is none.
  const verb = /^[A-Za-z]+$/.test(word) ? word.toUpperCase() : '';
  const hasArgument = end !== -1;
  if (hasArgument && BARE_VERBS.includes(verb)) return { reply: REPLIES.badSyntax };
  const known = SESSION_VERBS.find(one => one === verb);
  if (known !== undefined) return known;
  // What follows is content to the client, whatever we say (RFC 3030 section 2), and it may come in any packet: the end, or
  // it would be run as commands (I10). Never offered, so no 5yz: a client that knows another EHLO reads ours next time.
  if (verb === 'BDAT') return { reply: REPLIES.outOfStep };
  if (NOT_IMPLEMENTED.includes(verb)) return { reply: REPLIES.notImplemented };
  if (verb === 'NOOP') return { reply: REPLIES.flushed };
  if (verb === 'HELP') return { reply: REPLIES.help };
  // RFC 5321 3.5.3, 7.3: no address is confirmed, and none denied.
  if (verb === 'VRFY') return { reply: hasArgument ? REPLIES.notVerified : REPLIES.badSyntax };
  if (HTTP.test(trimmed)) return { reply: REPLIES.notHttp };
  return { reply: REPLIES.unknownCommand, isUnknown: true };
}

/**
 * The argument of HELO or EHLO; null where it is none. RFC 5321 4.1.1.1 and its real users: a name, a literal, or whatever
 * a misconfigured host sends, but no rubbish.
 */
export function helloName(line: string): string | null {
  const [, name, ...rest] = line.trim().split(/[ \t]+/);
  if (name === undefined || rest.length > 0 || name.length > HELO_NAME_MAX) return null;
  return /^[\x21-\x7e\u00a1-\ufffc]+$/u.test(name) ? name : null;
}
