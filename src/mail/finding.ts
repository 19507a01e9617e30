// What scanners state, and the report made of it. A finding is a fact with its evidence; it never chooses.

import type { MailId } from './mail-id.ts';
import type { MessageSummary } from './message.ts';

/** A symbol: capital letters, digits and underscores, 2 to 64 characters. */
export type Symbol = string;

/** Something was seen. The rules give it points. */
export interface Hit {
  readonly kind: 'hit';
  readonly symbol: Symbol;
  /** 0 to 1; points are multiplied by it. */
  readonly strength: number;
  /** What was seen, for people; at most EVIDENCE_MAX characters; hostile text, escape where it is shown. */
  readonly evidence: string;
}

export interface Malware {
  readonly kind: 'malware';
  readonly signature: string;
  /** Path or name of the part, '' for the whole message. */
  readonly part: string;
}

/** It can never be read: encrypted, too large, unknown format, killed its thread twice. Permanent (I8). */
export interface Unscannable {
  readonly kind: 'unscannable';
  readonly reason: string;
  readonly part: string;
}

/** A scanner could not answer this time. Transient (I8). */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly scanner: string;
  readonly reason: string;
}

/** One authentication result, as RFC 8601 section 2.2 words it. */
export interface Auth {
  readonly kind: 'auth';
  readonly method: 'spf' | 'dkim' | 'dmarc';
  /** pass, fail, softfail, neutral, none, policy, temperror, permerror. */
  readonly result: string;
  /** `smtp.mailfrom` → value. Values come from the message: the stamp quotes them. */
  readonly properties: Readonly<Record<string, string>>;
  readonly comment: string;
}

export type Finding = Hit | Malware | Unscannable | Unavailable | Auth;

export const EVIDENCE_MAX = 300;

/** What a rule may ask for beside points: a named choice of the policy. */
export type Effect = 'tag' | 'quarantine' | 'reject' | 'discard';

/** A finding in the report: who stated it, and for a hit what the rules make of it. */
export type Stated<F extends Finding = Finding> = F & {
  readonly scanner: string;
  /** Points after strength and group caps; 0 for what is no hit. */
  readonly points: number;
  /** The effect a rule gives to this hit, null for none. */
  readonly effect: Effect | null;
};

/** All that was found out about one message. JSON, at most some 100 KB: it travels through Redis. */
export interface Report {
  readonly version: 1;
  readonly id: MailId;
  readonly findings: readonly Stated[];
  /** Sum of all points, rounded to 2 decimals. */
  readonly score: number;
  /** Milliseconds each scanner took. */
  readonly ms: Readonly<Record<string, number>>;
  /** Names the set of rules that judged: 12 hex digits. */
  readonly rulesDigest: string;
  /** null where the message could not be read. */
  readonly summary: MessageSummary | null;
}

/** Cuts evidence to its limit and takes control characters out. */
export function evidence(text: string): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
  return clean.length > EVIDENCE_MAX ? `${clean.slice(0, EVIDENCE_MAX - 1)}…` : clean;
}

export function hit(symbol: Symbol, text = '', strength = 1): Hit {
  return { kind: 'hit', symbol, strength, evidence: evidence(text) };
}

export function unavailable(scanner: string, reason: string): Unavailable {
  return { kind: 'unavailable', scanner, reason: evidence(reason) };
}

export function unscannable(reason: string, part = ''): Unscannable {
  return { kind: 'unscannable', reason: evidence(reason), part: evidence(part) };
}
