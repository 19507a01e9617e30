// Runs the examples beside the rules: before every load, and for `rules test`. Each against its own rule and those it
// needs, on the calling thread: what they take was measured when their expressions were read.

import { DEFAULT_LIMITS } from '../message/limits.ts';
import { readMessage } from '../message/read.ts';
import type { Problem } from '../platform/problem.ts';

import { compileRules, type RuleSet } from './compile.ts';
import type { Example } from './example.ts';
import type { Rule, RuleSource } from './model.ts';
import { symbolsOf } from './order.ts';
import type { Place } from './place.ts';

export interface ExampleResult {
  readonly symbol: string;
  readonly expects: 'hit' | 'miss';
  /** null where the rule did what it must. */
  readonly problem: Problem | null;
}

export function runExamples(source: RuleSource, examples: readonly Example[]): ExampleResult[] {
  const bySymbol = new Map(source.rules.map(rule => [rule.symbol, rule]));
  const sets = new Map<string, RuleSet>();
  return examples.map(example => {
    const { symbol, expects, place } = example;
    const set = sets.get(symbol) ?? compileRules({ ...source, rules: withNeeded(symbol, bySymbol) });
    sets.set(symbol, set);
    const didHit = hits(set, example);
    if (didHit === (expects === 'hit')) return { symbol, expects, problem: null };
    const problem = didHit
      ? place.problem(`${symbol} hits this example, but must miss it`, 'narrow `when`, or move the example to `hit`')
      : place.problem(`${symbol} misses this example, but must hit it`, missHint(place));
    return { symbol, expects, problem };
  });
}

/** A comma in a plain text of a [list] makes two examples of it, and nothing else tells. */
function missHint(place: Place): string {
  const isCut = typeof place.value === 'string' && /\[.*,.*\]/.test(place.problem('').source);
  return isCut
    ? 'is it cut at a comma? inside of [ ] a text with a comma needs quotes'
    : 'change `when` or the example until they agree';
}

function hits(set: RuleSet, example: Example): boolean {
  const { rawMessage, context, auth, symbol } = example;
  const message =
    rawMessage === null
      ? example.message
      : readMessage(Buffer.from(rawMessage.replace(/\r?\n/g, '\r\n')), DEFAULT_LIMITS);
  const { hits: early, facts } = set.match(message, context);
  const found = new Set([...example.found, ...early.map(one => one.symbol)]);
  return [...early, ...set.combined({ facts, found, context, auth })].some(one => one.symbol === symbol);
}

function withNeeded(symbol: string, bySymbol: ReadonlyMap<string, Rule>): Rule[] {
  const needed = new Map<string, Rule>();
  const waiting = [symbol];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const rule = bySymbol.get(next);
    if (rule === undefined || needed.has(next)) continue;
    needed.set(next, rule);
    if (rule.when !== null) waiting.push(...symbolsOf(rule.when));
  }
  return [...needed.values()];
}
