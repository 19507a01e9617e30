// What became of a message, told to a person in the order of time; the same as plain data for `--json`. Pure: rows in,
// text out. Every word of the mail is hostile: it goes through safeLine before it reaches a terminal.

import type { State } from '../mail/disposition.ts';
import { REPLIES, replyText } from '../mail/reply.ts';
import { safeLine } from '../platform/terminal-text.ts';
import type { CopyRow, EventRow, MessageRow } from '../store/schema.ts';
import { firstReason, type Traced } from './trace.ts';

/** Findings told one by one, the heaviest first. */
const FINDINGS_TOLD = 40;
/** Recipients told one by one. */
const COPIES_TOLD = 50;

/** Lines of history. */
const HISTORY_TOLD = 200;

/** Several lines, ending in a line feed. */
export function traceStory(traced: Traced): string {
  const { message, copies, events } = traced;
  const lines = [
    `Message ${message.id}: ${message.direction} mail on listener ${message.listener}`,
    '',
    ...connected(message),
    ...copies.slice(0, COPIES_TOLD).map(copy => step('', `RCPT TO:${safeLine(copy.rcpt_raw, 300)}`)),
    ...(copies.length > COPIES_TOLD ? [step('', `and ${copies.length - COPIES_TOLD} more recipients`)] : []),
    ...received(message),
    ...judged(message),
    ...(message.reply === '' ? [] : [step(clock(message.ended_at), `we told the client: ${safeLine(message.reply)}`)]),
    '',
    ...history(events, message),
    '',
    ...copies.slice(0, COPIES_TOLD).flatMap(copy => now(copy, message)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Plain data of the same story. */
export function traceJson({ message, copies, events }: Traced): object {
  const { header_from, reasons, findings, ms, row_version: _, mail_from_key: _key, ...rest } = message;
  const parsed = { header_from: list(header_from), reasons: list(reasons), findings: list(findings), ms: timesOf(ms) };
  return {
    ...rest,
    ...parsed,
    copies: copies.map(({ row_version: _v, rcpt_key: _k, ...copy }) => copy),
    events: events.map(({ event_id: _id, ...event }) => event),
  };
}

function connected(message: MessageRow): string[] {
  const name = message.ptr === null ? 'no confirmed name' : safeLine(message.ptr, 255);
  const tls = message.tls === null ? 'without TLS' : `with ${safeLine(message.tls, 100)}`;
  return [
    step(moment(message.started_at), `a transaction began: client ${message.client_address} (${name}), ${tls}`),
    step('', `it called itself ${message.helo === '' ? 'nothing (no HELO)' : safeLine(message.helo, 255)}`),
    step('', `MAIL FROM:${safeLine(message.mail_from_raw, 300)}`),
  ];
}

function received(message: MessageRow): string[] {
  if (message.received_at === null) return [step(clock(message.ended_at), 'no message was taken in')];
  const from = list(message.header_from).map(String).join(', ');
  const facts = [
    `Subject: ${message.subject === '' ? '(none)' : safeLine(message.subject, 200)}`,
    `From: ${from === '' ? '(none)' : safeLine(from, 200)}`,
    ...(message.message_id === '' ? [] : [`Message-ID: ${safeLine(message.message_id, 250)}`]),
  ];
  return [
    step(clock(message.received_at), `the message was in: ${message.size_bytes} bytes, SHA-256 ${message.sha256}`),
    ...facts.map(fact => step('', fact)),
  ];
}

function judged(message: MessageRow): string[] {
  if (message.outcome === null) return [];
  const { steps, scanners } = timesOf(message.ms);
  const findings = list(message.findings)
    .map(finding)
    .sort((a, b) => b.points - a.points);
  const reasons = list(message.reasons).map(reason => safeLine(textOf(reason, 'text'), 300));
  const [first = 'no reason was noted', ...others] = reasons;
  return [
    step('', `time: ${times(steps)}; scanners: ${times(scanners)}; rules ${message.rules_digest}`),
    ...findings.slice(0, FINDINGS_TOLD).map(({ line }) => step('', line)),
    ...(findings.length > FINDINGS_TOLD ? [step('', `and ${findings.length - FINDINGS_TOLD} more findings`)] : []),
    step(
      '',
      `score ${message.score}: ${message.outcome.toUpperCase()} by policy ${safeLine(message.policy, 100)}: ${first}`,
    ),
    ...others.map(other => step('', `  also: ${other}`)),
  ];
}

function finding(value: unknown): { points: number; line: string } {
  const points = Number(field(value, 'points') ?? 0);
  const text = (name: string) => safeLine(textOf(value, name), 300);
  const part = text('part') === '' ? '' : ` in part ${text('part')}`;
  switch (textOf(value, 'kind')) {
    case 'hit':
      return { points, line: `${signed(points)}  ${text('symbol')}  ${text('evidence')}  (${text('scanner')})` };
    // What is no hit is told first.
    case 'malware':
      return { points: 1e9, line: `malware ${text('signature')}${part}  (${text('scanner')})` };
    case 'unscannable':
      return { points: 1e8, line: `could not be read: ${text('reason')}${part}  (${text('scanner')})` };
    case 'unavailable':
      return { points: 1e7, line: `no answer: ${text('reason')}  (${text('scanner')})` };
    case 'auth':
      return {
        points: 0,
        line: `       ${text('method')}=${text('result')}  ${text('comment')}  (${text('scanner')})`,
      };
    case 'cut':
      return { points: -1e9, line: `${text('missing')} findings more were not kept` };
    default:
      return { points: 0, line: safeLine(JSON.stringify(value), 300) };
  }
}

function history(events: readonly EventRow[], message: MessageRow): string[] {
  const lines = events.slice(0, HISTORY_TOLD).map(event => {
    const copy = event.copy_id === null ? '' : ` copy ${event.copy_id.slice(event.copy_id.indexOf('-') + 1)}`;
    const who = event.who === 'postern' ? '' : ` by ${safeLine(event.who, 100)}`;
    const words = wordsOf(event.what, event.words, message);
    // `release begun` in the words of `release begun`.
    const told = words.startsWith(event.what) ? '' : `: ${safeLine(words)}`;
    return step(moment(event.at), `${safeLine(event.what, 100)}${copy}${who}${told}`);
  });
  const missing = events.length - lines.length;
  return missing === 0 ? lines : [...lines, step('', `and ${missing} more: see --json`)];
}

/** Of what we took and did not pass on, why; the books have what its sender was told, which was told above. */
function wordsOf(state: string, words: string, message: MessageRow): string {
  const isOurs = (state === 'held' || state === 'discarded') && words === message.reply;
  return (isOurs && firstReason(message.reasons)) || words;
}

function now(copy: CopyRow, message: MessageRow): string[] {
  const words = safeLine(wordsOf(copy.state, copy.words, message));
  const said = copy.host === '' ? words : `${hostOf(copy.host)} said: ${words}`;
  const isDenied = copy.host === '' && copy.words === DENIED;
  const denied = message.direction === 'outgoing' ? DENIED_OUT : DENIED_IN;
  const next = isDenied ? denied : NEXT[copy.state].replaceAll('ID', copy.copy_id);
  return [
    `Copy ${copy.copy_id} for <${safeLine(copy.rcpt, 300)}> is ${copy.state} since ${moment(copy.updated_at)}`,
    ...(said === '' ? [] : [`  ${said}`]),
    ...(next === '' ? [] : [`  ${next}`]),
  ];
}

/** A host by TCP says in its name whether it was spoken to by TLS. */
function hostOf(host: string): string {
  return safeLine(/^\w+:\/\/[^ ]+$/.test(host) ? `${host} (no TLS)` : host, 255);
}

const DENIED = replyText(REPLIES.relayDenied);
const DENIED_OUT =
  'The listener is trusted, but there was no `outgoing` in the settings: mail for domains that are not ours goes nowhere. Name a nextHop there.';
const DENIED_IN =
  'Its domain is none of `domains` in the settings, or the address names another host by %, ! or @: we relay to nobody else.';

/** What a state means for whoever reads it, and what to do. */
const NEXT: Readonly<Record<State, string>> = {
  relayed: 'The next hop has it: look there.',
  held: 'It is in quarantine: `postern quarantine show ID`, or `release` or `delete` in place of `show`.',
  releasing:
    'A release is under way; if none is, the next hop went silent and may have it: look there, then `postern quarantine release ID --force`.',
  released: 'The next hop has it: look there.',
  deleted: 'It was removed from quarantine; nobody has it any more.',
  discarded: 'A rule or policy of the administrator says that such mail is thrown away.',
  refused: 'The sender was told and has it.',
  deferred:
    'The sender was told to come back later and has it. If that goes on, `postern doctor` says which part or next hop is down.',
  unknown: 'The next hop may have it: look there. The sender was told to come back and may send it a second time.',
  abandoned: 'The client had gone before anybody took the message; it may come back.',
};

function step(when: string, text: string): string {
  return `${when.padEnd(23)}  ${text}`.trimEnd();
}

/** `2026-11-23 15:27:52.123`, UTC. */
function moment(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? String(epochMs) : date.toISOString().slice(0, 23).replace('T', ' ');
}

function clock(epochMs: number): string {
  return moment(epochMs).slice(-12).padStart(23);
}

function signed(points: number): string {
  return `${points < 0 ? '' : '+'}${points.toFixed(1)}`.padStart(6);
}

function times(values: Readonly<Record<string, number>>): string {
  const found = Object.entries(values).map(([name, ms]) => `${safeLine(name, 40)} ${Math.round(ms)} ms`);
  return found.length === 0 ? 'none' : found.join(', ');
}

function timesOf(json: string): { steps: Record<string, number>; scanners: Record<string, number> } {
  const parsed = parse(json);
  return { steps: numbers(field(parsed, 'steps')), scanners: numbers(field(parsed, 'scanners')) };
}

function numbers(value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, ms]) => typeof ms === 'number'));
}

function list(json: string): readonly unknown[] {
  const parsed = parse(json);
  return Array.isArray(parsed) ? parsed : [];
}

/** A row that was damaged is told as far as it goes. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown, name: string): string {
  const found = field(value, name);
  return found === undefined || found === null ? '' : String(found);
}
