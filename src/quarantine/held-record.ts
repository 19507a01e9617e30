// Checks the record within a held file, field by field: what it gives back is what the types say, with nothing added.
// Called by held-file.ts. Never lenient: rows made of a damaged record would let recovery take the files for done.

import { type Address, parseAddress, parseDomain } from '../mail/address.ts';
import type { Disposition, State } from '../mail/disposition.ts';
import type { Recipient } from '../mail/envelope.ts';
import type { Auth, Effect, Report, Stated } from '../mail/finding.ts';
import { type CopyId, isCopyId, type MailId, mailIdOf } from '../mail/mail-id.ts';
import type { Attachment, MessageSummary } from '../mail/message.ts';
import type { Outcome } from '../mail/policy.ts';
import type { CopyRecord, LedgerRecord } from '../mail/ports.ts';
import type { Reason, Verdict } from '../mail/verdict.ts';

export type KeptRecord = Omit<LedgerRecord, 'entry' | 'session' | 'mailFrom'>;

/** The furthest day that a Date can name (ECMA-262 21.4.1.1), milliseconds. */
const TIME_MAX = 8.64e15;

const STATES: Readonly<Record<State, true>> = {
  relayed: true,
  held: true,
  releasing: true,
  released: true,
  deleted: true,
  discarded: true,
  refused: true,
  deferred: true,
  unknown: true,
  abandoned: true,
};
const OUTCOMES: Readonly<Record<Outcome, true>> = {
  accept: true,
  tag: true,
  quarantine: true,
  discard: true,
  defer: true,
  reject: true,
};
const CAUSES: Readonly<Record<Reason['cause'], true>> = {
  malware: true,
  unscannable: true,
  unavailable: true,
  effect: true,
  score: true,
};
const EFFECTS: Readonly<Record<Effect, true>> = { tag: true, quarantine: true, reject: true, discard: true };
const METHODS: Readonly<Record<Auth['method'], true>> = { spf: true, dkim: true, dmarc: true };

/** The record of message `id`. Throws an Error that says what is damaged. */
export function recordOf(value: unknown, id: MailId): KeptRecord {
  const { id: own, startedAt, endedAt, report, verdict, nextHop, reply, copies, ms, notes } = object(value, 'record');
  if (own !== id) throw new Error('the record is of another message');
  return {
    id,
    startedAt: time(startedAt, 'startedAt'),
    endedAt: time(endedAt, 'endedAt'),
    report: report === null ? null : reportOf(report, id),
    verdict: verdict === null ? null : verdictOf(verdict),
    nextHop: string(nextHop, 'nextHop'),
    reply: string(reply, 'reply'),
    copies: copiesOf(copies, id),
    ms: numbers(ms, 'times'),
    ...(notes === undefined ? {} : { notes: list(notes, 'notes', string) }),
  };
}

/** Without a held copy recovery would find nothing open, and remove the files. */
function copiesOf(value: unknown, id: MailId): CopyRecord[] {
  const copies = list(value, 'copies', copyOf);
  if (!copies.some(({ disposition }) => disposition.state === 'held')) throw new Error('no copy is held');
  const ids = new Set<string>();
  for (const { copyId } of copies) {
    if (mailIdOf(copyId) !== id) throw new Error(`copy ${copyId} is of another message`);
    if (ids.has(copyId)) throw new Error(`copy ${copyId} is there twice`);
    ids.add(copyId);
  }
  return copies;
}

function copyOf(value: unknown): CopyRecord {
  const { copyId, recipient, disposition } = object(value, 'copy');
  return { copyId: copyIdOf(copyId), recipient: recipientOf(recipient), disposition: dispositionOf(disposition) };
}

function copyIdOf(value: unknown): CopyId {
  const text = string(value, 'copyId');
  if (!isCopyId(text)) throw new Error('no valid copyId');
  return text;
}

function recipientOf(value: unknown): Recipient {
  const { raw, address } = object(value, 'recipient');
  return { raw: string(raw, 'recipient'), address: addressOf(address) };
}

function addressOf(value: unknown): Address {
  const { localPart, domain, text } = object(value, 'address');
  return sameAddress({
    localPart: string(localPart, 'localPart'),
    domain: string(domain, 'domain'),
    text: string(text, 'address'),
  });
}

/** The same address where its parts agree; its text goes to the next hop as it is. Throws an Error. */
export function sameAddress(address: Address): Address {
  const { localPart, domain, text } = address;
  const at = text.lastIndexOf('@');
  const isPostmaster = at === -1 && domain === '' && localPart === text && parseAddress(text) !== null;
  // In two halves: quoting and A-labels may have made the whole longer than what a client may say.
  const isWhole =
    text.slice(at + 1) === domain &&
    parseDomain(domain) === domain &&
    parseAddress(`${text.slice(0, at)}@localhost`)?.localPart === localPart;
  if (!isPostmaster && !(at !== -1 && isWhole)) throw new Error('no valid address');
  return address;
}

function dispositionOf(value: unknown): Disposition {
  const { state, words, host } = object(value, 'disposition');
  return { state: oneOf(STATES, state, 'state'), words: string(words, 'words'), host: string(host, 'host') };
}

function verdictOf(value: unknown): Verdict {
  const { outcome, score, policy, reasons } = object(value, 'verdict');
  return {
    outcome: oneOf(OUTCOMES, outcome, 'outcome'),
    score: number(score, 'score'),
    policy: string(policy, 'policy'),
    reasons: list(reasons, 'reasons', reasonOf),
  };
}

function reasonOf(value: unknown): Reason {
  const { cause, text } = object(value, 'reason');
  return { cause: oneOf(CAUSES, cause, 'cause'), text: string(text, 'reason') };
}

function reportOf(value: unknown, id: MailId): Report {
  const { version, id: own, findings, score, ms, rulesDigest, summary } = object(value, 'report');
  if (version !== 1) throw new Error(`report of version ${String(version)}`);
  if (own !== id) throw new Error('the report is of another message');
  return {
    version,
    id,
    findings: list(findings, 'findings', findingOf),
    score: number(score, 'score'),
    ms: numbers(ms, 'times of the report'),
    rulesDigest: string(rulesDigest, 'rulesDigest'),
    summary: summary === null ? null : summaryOf(summary),
  };
}

function findingOf(value: unknown): Stated {
  const found = object(value, 'finding');
  const stated = {
    scanner: string(found.scanner, 'scanner'),
    points: number(found.points, 'points'),
    effect: found.effect === null ? null : oneOf(EFFECTS, found.effect, 'effect'),
  };
  const text = (key: string) => string(found[key], key);
  switch (found.kind) {
    case 'hit':
      return {
        kind: found.kind,
        symbol: text('symbol'),
        strength: number(found.strength, 'strength'),
        evidence: text('evidence'),
        ...stated,
      };
    case 'malware':
      return { kind: found.kind, signature: text('signature'), part: text('part'), ...stated };
    case 'unscannable':
      return { kind: found.kind, reason: text('reason'), part: text('part'), ...stated };
    case 'unavailable':
      return { kind: found.kind, reason: text('reason'), ...stated };
    case 'auth':
      return {
        kind: found.kind,
        method: oneOf(METHODS, found.method, 'method'),
        result: text('result'),
        properties: record(found.properties, 'properties', string),
        comment: text('comment'),
        ...stated,
      };
  }
  throw new Error('a finding of no known kind');
}

function summaryOf(value: unknown): MessageSummary {
  const { subject, from, messageId, linkDomains, attachments } = object(value, 'summary');
  return {
    subject: string(subject, 'subject'),
    from: list(from, 'from', string),
    messageId: string(messageId, 'messageId'),
    linkDomains: list(linkDomains, 'linkDomains', string),
    attachments: list(attachments, 'attachments', attachmentOf),
  };
}

function attachmentOf(value: unknown): Attachment {
  const { name, type, sizeBytes, sha256 } = object(value, 'attachment');
  return {
    name: string(name, 'attachment name'),
    type: string(type, 'attachment type'),
    sizeBytes: number(sizeBytes, 'attachment size'),
    sha256: string(sha256, 'attachment sha256'),
  };
}

/** Epoch milliseconds, whole, as the columns of the database take them. Throws an Error. */
export function time(value: unknown, what: string): number {
  const ms = number(value, what);
  if (!Number.isInteger(ms) || ms < 0 || ms > TIME_MAX) throw new Error(`${what} is no time`);
  return ms;
}

export function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return { ...value };
}

export function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no text`);
  return value;
}

function number(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${what} is no number`);
  return value;
}

function numbers(value: unknown, what: string): Readonly<Record<string, number>> {
  return record(value, what, number);
}

function record<T>(value: unknown, what: string, read: (value: unknown, what: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(object(value, what)).map(([key, one]) => [key, read(one, what)]));
}

function list<T>(value: unknown, what: string, read: (value: unknown, what: string) => T): T[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value.map(one => read(one, what));
}

function oneOf<K extends string>(known: Readonly<Record<K, true>>, value: unknown, what: string): K {
  if (typeof value !== 'string' || !Object.hasOwn(known, value)) throw new Error(`no valid ${what}`);
  return value as K;
}
