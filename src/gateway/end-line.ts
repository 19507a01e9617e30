// The log line of a transaction's end: of one that brought a message, and of one that named recipients and brought none.
// Called by transaction.ts and connection.ts. Pure; what comes from mail or another server is cut to a named length, and
// without what would turn a terminal that prints the log.

import type { State } from '../mail/disposition.ts';
import type { ReversePath } from '../mail/envelope.ts';
import type { Report } from '../mail/finding.ts';
import type { MailId } from '../mail/mail-id.ts';
import { replyText } from '../mail/reply.ts';
import type { Session } from '../mail/session.ts';
import { errorText } from '../platform/log.ts';
import { safeLine } from '../platform/terminal-text.ts';
import type { Acted } from './act/act.ts';
import type { Asked, Unread } from './asked.ts';

/** Recipients told of one transaction, of each kind. */
const TOLD_MAX = 20;
/** Of a line, as JSON: log readers cut at 16 KiB. Recipients get what the rest leaves, and a part of it at least. */
const LINE_BYTES = 15_000;
const TOLD_BYTES_MIN = 2000;
const SYMBOLS_BYTES = 3000;
/** Of one address, as it was given. */
const ADDRESS_MAX = 320;
/** Of another server's words. */
const WORDS_MAX = 300;
const SUBJECT_MAX = 200;
const MESSAGE_ID_MAX = 250;
/** Of a command that was refused. */
const COMMAND_MAX = 300;

/** What all lines of a transaction tell. */
export interface Ended {
  readonly id: MailId;
  readonly session: Session;
  readonly mailFrom: ReversePath;
  readonly asked: readonly Asked[];
  /** The first ones. */
  readonly unread: readonly Unread[];
  readonly unreadCount: number;
}

/** How a message ended. */
export interface MessageEnd {
  /** The verdict's, or in a word why there was none. */
  readonly outcome: string;
  readonly state: State;
  /** Our reply, '' where nobody was there to hear it. */
  readonly reply: string;
  readonly bytes: number;
  readonly report: Report | null;
  readonly acted: Acted | null;
  /** Why it failed, '' where it did not. */
  readonly error: string;
  readonly ms: Readonly<Record<string, number>>;
}

/** The one line per message. */
export function messageFields(ended: Ended, end: MessageEnd): object {
  const { report, acted, error } = end;
  const summary = report?.summary ?? null;
  const { host = '', words = '' } = acted?.disposition ?? {};
  const rest = {
    messageId: summary === null ? '' : safeLine(summary.messageId, MESSAGE_ID_MAX),
    subject: summary === null ? '' : safeLine(summary.subject, SUBJECT_MAX),
    bytes: end.bytes,
    tls: ended.session.tls?.version ?? '',
    outcome: end.outcome,
    state: end.state,
    score: report?.score ?? 0,
    symbols: within(
      SYMBOLS_BYTES,
      report?.findings.flatMap(finding => (finding.kind === 'hit' ? [finding.symbol] : [])) ?? [],
    ),
    ...(host === '' ? {} : { hop: host, said: words.slice(0, WORDS_MAX) }),
    reply: end.reply,
    ms: { ...end.ms, ...report?.ms },
    ...(acted?.trouble ? { trouble: acted.trouble } : {}),
    ...(error === '' ? {} : { error }),
  };
  return { ...whoFields(ended, rest), ...rest };
}

/** The one line of a transaction that ended without a message. */
export function noMessageFields(ended: Ended): object {
  return whoFields(ended, {});
}

/** What an error says, once where its cause says the same. */
export function whyOf(error: unknown): string {
  const text = errorText(error);
  const half = text.slice(0, (text.length - 2) / 2);
  return text === `${half}: ${half}` ? half : text;
}

/** Of a MAIL that began no transaction. */
export function commandFields(session: Session, command: string, reply: string): object {
  return { session: session.id, client: session.clientAddress, command: safeLine(command, COMMAND_MAX), reply };
}

function whoFields({ id, session, mailFrom, asked, unread, unreadCount }: Ended, rest: object) {
  const who = { id, client: session.clientAddress, from: mailFrom.address?.text ?? '' };
  const accepted = asked.filter(one => one.isAccepted).slice(0, TOLD_MAX);
  const others = asked.filter(one => !one.isAccepted).slice(0, TOLD_MAX);
  const refusals = [
    ...others.map(refusedFields),
    ...unread.map(({ raw, reply }) => ({ rcpt: safeLine(raw, ADDRESS_MAX), reply })),
  ];
  const bytes = Math.max(TOLD_BYTES_MIN, LINE_BYTES - jsonBytes(who) - jsonBytes(rest));
  // Half of it each, and what those who were refused leave is for the others.
  const refused = within(refusals.length === 0 ? 0 : bytes / 2, refusals.slice(0, TOLD_MAX));
  const to = within(
    bytes - jsonBytes(refused),
    accepted.map(one => one.recipient.address.text),
  );
  const untold = asked.length + unreadCount - to.length - refused.length;
  return {
    ...who,
    to,
    ...(refused.length === 0 ? {} : { refused }),
    ...(untold === 0 ? {} : { untold }),
  };
}

/** As many of the first as there is room for. */
function within<T>(bytes: number, items: readonly T[]): T[] {
  let left = bytes;
  const end = items.findIndex(item => {
    left -= jsonBytes(item) + 1;
    return left < 0;
  });
  return end === -1 ? [...items] : items.slice(0, end);
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** `said` is why: the next hop's words, or how it could not be reached. */
function refusedFields({ recipient, reply, disposition: { words, host } }: Asked): object {
  const ours = reply === null ? '' : replyText(reply);
  return {
    rcpt: recipient.address.text.slice(0, ADDRESS_MAX),
    reply: ours,
    ...(words === '' || words === ours ? {} : { said: words.slice(0, WORDS_MAX) }),
    ...(host === '' ? {} : { hop: host }),
  };
}
