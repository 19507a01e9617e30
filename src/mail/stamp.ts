// The header block that goes on top of a message, made once, at the decision, and kept with the copy (DESIGN step 6).
// Every value may be hostile: nothing goes into a header that has not passed `printable`.

import type { Envelope } from './envelope.ts';
import type { Auth, Report } from './finding.ts';
import type { MailId } from './mail-id.ts';
import type { Session } from './session.ts';
import type { Verdict } from './verdict.ts';

/** Symbols named in X-Spam-Status; all of them stand in the ledger. */
const TESTS_MAX = 200;
/** More than signatures are looked at; whatever a scanner says, the header stays one that servers take. */
const RESULTS_MAX = 100;

export interface StampFacts {
  readonly id: MailId;
  /** Our host name: `by` of Received and the authserv-id of RFC 8601. */
  readonly hostname: string;
  readonly session: Session;
  readonly envelope: Envelope;
  readonly report: Report;
  readonly verdict: Verdict;
  readonly requiredScore: number;
  /** Epoch milliseconds of the dot. */
  readonly receivedAt: number;
}

/** The whole block, each line ending in CRLF, no line over 998 octets. */
export function stamp(facts: StampFacts): string {
  return [
    ...spamHeaders(facts),
    header('X-Postern-Report', reportValue(facts)),
    header('Authentication-Results', authenticationResults(facts)),
    header('Received', receivedValue(facts)),
  ].join('');
}

function spamHeaders({ report, verdict, requiredScore }: StampFacts): string[] {
  const isSpam = verdict.outcome !== 'accept';
  const tests = report.findings
    .filter(finding => finding.kind === 'hit')
    .slice(0, TESTS_MAX)
    .map(finding => (finding.kind === 'hit' ? `${finding.symbol}=${finding.points}` : ''));
  const status = `${isSpam ? 'Yes' : 'No'}, score=${report.score.toFixed(1)} required=${requiredScore.toFixed(1)}`;
  const level = '*'.repeat(Math.max(0, Math.min(50, Math.floor(report.score))));
  return [
    ...(isSpam ? [header('X-Spam-Flag', 'YES')] : []),
    header('X-Spam-Score', report.score.toFixed(1)),
    ...(level === '' ? [] : [header('X-Spam-Level', level)]),
    header(
      'X-Spam-Status',
      `${status} tests=${tests.length === 0 ? 'none' : tests.join(',')} autolearn=no version=Postern`,
    ),
  ];
}

function reportValue({ id, report, verdict }: StampFacts): string {
  const silent = report.findings.flatMap(finding => (finding.kind === 'unavailable' ? [finding.scanner] : []));
  const parts = [`id=${id}`, `outcome=${verdict.outcome}`, `policy=${verdict.policy}`, `rules=${report.rulesDigest}`];
  if (silent.length > 0) parts.push(`unavailable=${[...new Set(silent)].join(',')}`);
  const reason = verdict.reasons[0];
  if (reason !== undefined) parts.push(`reason=${quoted(reason.text)}`);
  return parts.join('; ');
}

function authenticationResults({ hostname, report }: StampFacts): string {
  const results = report.findings.filter(finding => finding.kind === 'auth').slice(0, RESULTS_MAX);
  if (results.length === 0) return `${hostname}; none`;
  return [hostname, ...results.map(authResult)].join('; ');
}

function authResult(auth: Auth): string {
  const comment = auth.comment === '' ? '' : ` (${printable(auth.comment).replace(/[()\\]/g, '')})`;
  const properties = Object.entries(auth.properties).map(([name, value]) => ` ${word(name)}=${token(value)}`);
  return `${auth.method}=${word(auth.result)}${comment}${properties.join('')}`;
}

/** A result or a property's name: what could start another result (`; dkim=pass`) has no place in it. */
function word(text: string): string {
  return text.replace(/[^A-Za-z0-9.-]/g, '').slice(0, 60);
}

/** RFC 5321 section 4.4, RFC 3848 for the protocol's name; no `for` with several recipients (they would be told). */
function receivedValue({ id, hostname, session, envelope, receivedAt }: StampFacts): string {
  const literal = session.clientAddress.includes(':') ? `IPv6:${session.clientAddress}` : session.clientAddress;
  const from = `from ${atom(session.helo)} (${session.ptr === null ? '' : `${atom(session.ptr)} `}[${literal}])`;
  const tls =
    session.tls === null ? '' : ` (using ${atom(session.tls.version)} with cipher ${atom(session.tls.cipher)})`;
  const only = envelope.rcptTo.length === 1 ? envelope.rcptTo[0] : undefined;
  const to = only === undefined ? '' : ` for <${printable(only.address.text)}>`;
  return `${from}${tls} by ${hostname} with ${protocol(session, envelope)} id ${id}${to}; ${rfc5322Date(receivedAt)}`;
}

function protocol(session: Session, envelope: Envelope): string {
  const secure = session.tls === null ? '' : 'S';
  if (envelope.smtpUtf8) return `UTF8SMTP${secure}`;
  return session.esmtp ? `ESMTP${secure}` : 'SMTP';
}

/** `Mon, 23 Nov 2026 15:27:52 +0000` (RFC 5322 section 3.3), always in UTC. */
export function rfc5322Date(epochMs: number): string {
  return new Date(epochMs).toUTCString().replace('GMT', '+0000');
}

/**
 * Folds at spaces and commas to 78 columns where it can; what cannot be folded is cut to 900 octets. Whatever the value
 * is made of, it cannot leave its header: this is the last line of defence, not the only one.
 */
function header(name: string, value: string): string {
  const words = value
    .replace(/[^\x20-\x7e]/gu, '?')
    .replace(/ {2,}/g, ' ')
    .split(/(?<=[ ,])/);
  let line = `${name}: `;
  let text = '';
  for (const word of words) {
    const piece = word.slice(0, 900);
    if (line.trimEnd().length + piece.trimEnd().length > 77 && line.trim() !== '' && line !== `${name}: `) {
      text += `${line.trimEnd()}\r\n`;
      line = '\t';
    }
    line += piece;
  }
  return `${text}${line.trimEnd()}\r\n`;
}

/** Everything but printable ASCII becomes `?`, so that no value can break out of its line. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, '?').slice(0, 400);
}

/** A name as it may stand in Received: what is no part of a domain or literal becomes `?`. */
function atom(text: string): string {
  const clean = text.replace(/[^A-Za-z0-9.\-_:[\]]/gu, '?').slice(0, 255);
  return clean === '' ? 'unknown' : clean;
}

/** A pvalue of RFC 8601 section 2.2: a token, or an address; `/` and the rest of base64 must be quoted. */
function token(value: string): string {
  const cut = value.slice(0, 400);
  return /^(?:[A-Za-z0-9.\-_+]*@)?[A-Za-z0-9.\-_+]+$/.test(cut) ? cut : quoted(cut);
}

function quoted(text: string): string {
  return `"${printable(text).replace(/["\\]/g, '\\$&')}"`;
}
