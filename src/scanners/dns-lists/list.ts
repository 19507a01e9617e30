// One DNS list (RFC 5782): how it is asked, what its answers mean, and whether it is fit to be asked at all.

import type { Resolver } from '../../platform/dns.ts';
import { isNoRecord } from '../../platform/dns.ts';
import { errorText } from '../../platform/log.ts';
import { reversedAddress } from '../../platform/network.ts';

/** Which answers mean what: one bit of the last number, or a range of answers that differ in the last number. */
export type ListCode =
  | { readonly kind: 'bit'; readonly bit: number; readonly symbol: string }
  | { readonly kind: 'range'; readonly first: string; readonly last: string; readonly symbol: string };

export interface ListOptions {
  /** `zen.spamhaus.org`, with a key in front where its provider gives one. */
  readonly zone: string;
  readonly kind: 'ip' | 'domain';
  readonly codes: readonly ListCode[];
  /** Always listed, never listed (RFC 5782 5). */
  readonly test: { readonly listed: string; readonly notListed: string };
}

/**
 * fit: passed its test. unfit: the resolver or the list gives answers that mean nothing; not asked. down: no answer to
 * the test; not asked. untested: not yet.
 */
export type ListState =
  | { readonly kind: 'fit' }
  | { readonly kind: 'untested' }
  | { readonly kind: 'unfit' | 'down'; readonly reason: string };

/** listed: symbols of the answers, and the answers. unfit: it answered that it does not want to answer. */
export type ListAnswer =
  | { readonly kind: 'listed'; readonly symbols: readonly string[]; readonly answers: string }
  | { readonly kind: 'not-listed' }
  | { readonly kind: 'unfit'; readonly reason: string };

/** Answers looked at; a list gives a handful. */
const ANSWERS_MAX = 20;

/** Asks the list for an address or a domain. Rejects when DNS does not answer. */
export async function askList(
  list: ListOptions,
  what: string,
  { resolver, signal }: { readonly resolver: Resolver; readonly signal: AbortSignal },
): Promise<ListAnswer> {
  const prefix = list.kind === 'ip' ? reversedAddress(what) : what;
  if (prefix === null) return { kind: 'not-listed' };
  try {
    const answers = await resolver.resolve(`${prefix}.${list.zone}`, 'A', signal);
    return meaning(list, answers.slice(0, ANSWERS_MAX));
  } catch (error) {
    if (isNoRecord(error)) return { kind: 'not-listed' };
    throw error;
  }
}

/** Never rejects. */
export async function testList(
  list: ListOptions,
  asked: { readonly resolver: Resolver; readonly signal: AbortSignal },
): Promise<ListState> {
  const { listed, notListed } = list.test;
  try {
    const [yes, no] = await Promise.all([askList(list, listed, asked), askList(list, notListed, asked)]);
    for (const answer of [yes, no]) if (answer.kind === 'unfit') return answer;
    if (no.kind === 'listed') {
      return {
        kind: 'unfit',
        reason: `says that ${notListed} is listed: it, or the resolver, answers yes to everything`,
      };
    }
    if (yes.kind === 'not-listed') {
      const reason = `does not list ${listed}: the resolver is refused, or the list has ended`;
      return { kind: 'unfit', reason };
    }
    return { kind: 'fit' };
  } catch (error) {
    return { kind: 'down', reason: errorText(error) };
  }
}

function meaning(list: ListOptions, answers: readonly string[]): ListAnswer {
  const numbers = answers.map(answer => answer.split('.').map(Number));
  // A resolver that leads unknown names to a page of advertisements answers with such addresses (RFC 5782 2.3).
  const own = numbers.filter(([first]) => first === 127);
  // Spamhaus: queries by open resolvers, or too many of them. No list uses these for listings.
  if (own.some(([, second, third]) => second === 255 && third === 255)) {
    return { kind: 'unfit', reason: `refuses our queries (${answers.join(' ')}): use a resolver of your own` };
  }
  if (own.length === 0) return { kind: 'not-listed' };
  const symbols = list.codes.filter(code => own.some(answer => matches(code, answer))).map(code => code.symbol);
  return { kind: 'listed', symbols: [...new Set(symbols)], answers: own.map(answer => answer.join('.')).join(' ') };
}

function matches(code: ListCode, answer: readonly number[]): boolean {
  if (code.kind === 'bit') return ((answer[3] ?? 0) & code.bit) !== 0;
  const value = asNumber(answer);
  return value >= asNumber(code.first.split('.').map(Number)) && value <= asNumber(code.last.split('.').map(Number));
}

function asNumber(address: readonly number[]): number {
  return address.reduce((value, part) => value * 256 + part, 0);
}
