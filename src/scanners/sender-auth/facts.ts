// What the thread found out about a sender, and what that becomes as findings. Pure; the words are RFC 8601's.

import { type Auth, evidence, type Finding, hit } from '../../mail/finding.ts';

/** One result. `properties` as RFC 8601: `smtp.mailfrom`, `header.d`. */
export interface Result {
  readonly result: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly comment: string;
}

/** Goes from the thread to the main thread: small, plain. */
export interface AuthFacts {
  /** null where the client's address says nothing about the sender. */
  readonly spf: Result | null;
  /** One for each signature that was looked at. */
  readonly dkim: readonly Result[];
  /** null where there is nothing to say. */
  readonly dmarc: Result | null;
  /** Why it cannot be told whose message this claims to be; '' where it can. */
  readonly ambiguous: string;
}

/** Longer values of a message are cut: no name, selector or domain in use comes near. */
const VALUE_MAX = 255;
/** From the most to the least telling: the hit of a message with several signatures. */
const DKIM_ORDER = ['PASS', 'TEMPERROR', 'FAIL', 'PERMERROR', 'NONE'];

export function findingsOf(facts: AuthFacts): readonly Finding[] {
  const { spf, dkim, dmarc, ambiguous } = facts;
  return [
    ...(spf === null ? [] : [auth('spf', spf), hit(`SPF_${spf.result.toUpperCase()}`, said(spf))]),
    ...dkim.map(result => auth('dkim', result)),
    ...dkimHit(dkim),
    ...(dmarc === null ? [] : [auth('dmarc', dmarc), hit(dmarcSymbol(dmarc), said(dmarc))]),
    ...(ambiguous === '' ? [] : [hit('SENDER_AMBIGUOUS', ambiguous)]),
  ];
}

/** No signature of several that fail says more than one that passes. */
function dkimHit(results: readonly Result[]): readonly Finding[] {
  const ranked = results.map(result => ({ result, name: dkimName(result.result) }));
  ranked.sort((a, b) => DKIM_ORDER.indexOf(a.name) - DKIM_ORDER.indexOf(b.name));
  const [best] = ranked;
  return best === undefined ? [] : [hit(`DKIM_${best.name}`, said(best.result))];
}

/** neutral (a signature with errors) and policy (weak key, old algorithm, uncovered text) will never pass. */
function dkimName(result: string): string {
  const name = result.toUpperCase();
  return DKIM_ORDER.includes(name) ? name : 'PERMERROR';
}

function dmarcSymbol({ result, properties }: Result): string {
  if (result !== 'fail') return `DMARC_${result.toUpperCase()}`;
  return `DMARC_FAIL_${(properties['policy.dmarc'] ?? 'none').toUpperCase()}`;
}

function said({ properties, comment }: Result): string {
  const values = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  return evidence([...values, ...(comment === '' ? [] : [`(${comment})`])].join(' '));
}

function auth(method: Auth['method'], { result, properties, comment }: Result): Auth {
  const short = Object.entries(properties).map(([name, value]) => [name, evidence(value.slice(0, VALUE_MAX))] as const);
  return { kind: 'auth', method, result, properties: Object.fromEntries(short), comment: evidence(comment) };
}
