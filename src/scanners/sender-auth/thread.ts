// Runs on a thread that can be killed: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) of one message by mailauth,
// with its gaps closed. Loaded by the pool of sender-auth; its DNS is the main thread's.

import type { MessagePort } from 'node:worker_threads';

import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { evaluateDmarc } from 'mailauth/lib/dmarc/index.js';
import { spf } from 'mailauth/lib/spf/index.js';

import type { Content } from '../../mail/ports.ts';
import { type Ask, askThrough, type Foreseen } from './dns-port.ts';
import type { AuthFacts, Result } from './facts.ts';
import { HeadTooLarge, withMessage } from './message-stream.ts';

export interface AuthTask {
  readonly content: Content;
  /** null where it says nothing of the sender (private address): then there is no SPF. */
  readonly clientAddress: string | null;
  readonly helo: string;
  /** '' is the null sender: SPF asks for the HELO name then (RFC 7208 2.4). */
  readonly mailFrom: string;
  /** Our name, for the comments. */
  readonly hostname: string;
  /** Signatures looked at; the others are not there. */
  readonly maxSignatures: number;
  /** RFC 8301 3.2 */
  readonly minRsaBits: number;
  /** What need not be asked. */
  readonly foreseen?: Foreseen;
  readonly dns: MessagePort;
}

/** Rejects only when the file cannot be read. */
export async function authenticate(task: AuthTask): Promise<AuthFacts> {
  const ask = askThrough(task.dns, task.foreseen);
  try {
    const [spfFacts, dkimFacts] = await Promise.all([checkSpf(task, ask), checkDkim(task, ask)]);
    const dmarc = await checkDmarc({ dkim: dkimFacts, spf: spfFacts, ask });
    return { spf: spfFacts?.shown ?? null, dkim: dkimFacts.shown, ...dmarc };
  } finally {
    task.dns.close();
  }
}

interface SpfFacts {
  readonly shown: Result;
  /** The domain that passed, null for none. */
  readonly passed: string | null;
}

async function checkSpf(task: AuthTask, ask: Ask): Promise<SpfFacts | null> {
  if (task.clientAddress === null) return null;
  const { clientAddress: ip, helo, mailFrom: sender, hostname: mta } = task;
  const { status, domain } = await spf({ ip, helo, sender, mta, resolver: ask, strict: true });
  const properties: Record<string, string> = sender === '' ? { 'smtp.helo': helo } : { 'smtp.mailfrom': domain };
  const shown = { result: status.result, properties, comment: text(status.comment) };
  return { shown, passed: status.result === 'pass' ? domain : null };
}

interface DkimFacts {
  readonly shown: readonly Result[];
  readonly passed: readonly string[];
  /** The addresses of all From fields. */
  readonly from: readonly string[];
  readonly fromFields: number;
  /** The header section could not be read. */
  readonly problem: string;
}

async function checkDkim(task: AuthTask, ask: Ask): Promise<DkimFacts> {
  try {
    // RFC 8301: rsa-sha1 and short keys are no signatures (mailauth: `policy`). strict: RFC 6376 to the word.
    const options = { resolver: ask, strict: true, rejectRsaSha1: true, minBitLength: task.minRsaBits };
    const found = await withMessage(task, body => dkimVerify(body, options));
    const results = found.results.map(one => ({ shown: shownSignature(one), domain: one.signingDomain ?? '' }));
    const passed = results.filter(({ shown }) => shown.result === 'pass').map(({ domain }) => domain);
    const shown = results.map(one => one.shown);
    return { shown, passed, from: found.headerFrom, fromFields: found.fromFields, problem: '' };
  } catch (error) {
    if (!(error instanceof HeadTooLarge)) throw error;
    const shown = [{ result: 'permerror', properties: {}, comment: error.message }];
    return { shown, passed: [], from: [], fromFields: 0, problem: error.message };
  }
}

type Signature = Awaited<ReturnType<typeof dkimVerify>>['results'][number];

function shownSignature(one: Signature): Result {
  const properties: Record<string, string> = {};
  for (const [name, value] of [
    ['header.d', one.signingDomain],
    ['header.s', one.selector],
    ['header.a', one.algo],
    // RFC 6008: enough of the signature to tell it from others of the same domain.
    ['header.b', one.signature?.slice(0, 8)],
  ] as const) {
    if (value !== undefined && value !== '') properties[name] = String(value);
  }
  const unsigned = one.status.underSized ?? 0;
  // RFC 6376 8.2: whoever adds text below a signature with l= speaks in the signer's name. No pass for us.
  if (one.status.result === 'pass' && unsigned > 0) {
    return { result: 'policy', properties, comment: `l= leaves ${unsigned} bytes unsigned` };
  }
  return { result: one.status.result, properties, comment: text(one.status.comment) };
}

interface DmarcInput {
  readonly dkim: DkimFacts;
  readonly spf: SpfFacts | null;
  readonly ask: Ask;
}

async function checkDmarc({ dkim, spf: spfFacts, ask }: DmarcInput): Promise<Pick<AuthFacts, 'dmarc' | 'ambiguous'>> {
  if (dkim.problem !== '') return unclear(dkim.problem);
  const { response, reason, authorDomains } = await evaluateDmarc({
    headerFrom: [...dkim.from],
    fromFields: dkim.fromFields,
    spfDomains: spfFacts?.passed == null ? [] : [spfFacts.passed],
    dkimDomains: dkim.passed.map(domain => ({ domain })),
    resolver: ask,
    // A policy with a sloppy record is still what the domain's owner wants.
    strict: false,
  });
  if (response === false)
    return unclear(`${reason ?? 'no author domain'}: ${authorDomains?.slice(0, 5).join(' ') ?? ''}`);
  const { result, comment } = response.status;
  // Without SPF a failure would only say that a relay of ours does not sign.
  if (spfFacts === null && result === 'fail') return { dmarc: null, ambiguous: '' };
  const properties: Record<string, string> = { 'header.from': text(response.status.header?.['from']) };
  if (response.policy !== undefined) properties['policy.dmarc'] = response.policy;
  return { dmarc: { result, properties, comment: text(comment) }, ambiguous: '' };
}

/** RFC 9989 5.3.1 and 11.5: without one author DMARC cannot be told, and that is suspicious: it never counts as fine. */
function unclear(reason: string): Pick<AuthFacts, 'dmarc' | 'ambiguous'> {
  return { dmarc: { result: 'permerror', properties: {}, comment: reason }, ambiguous: reason };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
