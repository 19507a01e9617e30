// Compiles a set of rules. What needs only the message runs on the thread (`match`); what needs the findings of the
// scanners runs later on the main thread (`combined`), with the truth of the message's conditions brought along as facts.

import { type Auth, evidence, type Hit, hit } from '../mail/finding.ts';
import type { Message } from '../mail/message.ts';
import type { RuleFacts } from '../mail/ports.ts';

import type { Condition, Rule, RuleSource } from './model.ts';
import { ordered } from './order.ts';
import { compares, compileTest, type RunTest } from './predicate.ts';
import { thingSpec } from './targets.ts';
import { type MatchContext, type Thing, View } from './view.ts';

export interface Matched {
  readonly hits: readonly Hit[];
  readonly facts: RuleFacts;
}

export interface RuleSet {
  readonly source: RuleSource;
  readonly digest: string;
  /** By symbol: points, effects, groups; also of the scanners' symbols. */
  readonly rules: ReadonlyMap<string, Rule>;
  /** On the thread. Bounded by the size of the views only: the deadline is the caller's. */
  match(message: Message, context: MatchContext): Matched;
  /** On the main thread: the hits of the rules that wait for findings. */
  combined(later: Later): readonly Hit[];
}

/** What is known when all scanners have spoken. */
export interface Later {
  /** null where there was no thread's word: rules that ask about the message are silent then. */
  readonly facts: RuleFacts | null;
  /** The symbols of all hits, those of `match` included. */
  readonly found: ReadonlySet<string>;
  readonly context: MatchContext;
  readonly auth: readonly Auth[];
}

/** Evidence where the condition holds, '' where it holds without any, null where it does not. */
type Run = (now: Now) => string | null;

interface Now {
  readonly view: View;
  readonly found: Set<string>;
  /** Main thread only: what the thread found to hold. */
  readonly holds: ReadonlyMap<number, string>;
}

interface Compiled {
  readonly rule: Rule;
  readonly isLate: boolean;
  /** A late one that also asks about the message: silent where the thread could not read it. */
  readonly needsFacts: boolean;
  readonly run: Run;
}

/** Compiles on any thread; the same source gives the same numbers of conditions. Expects a source that was checked. */
export function compileRules(source: RuleSource): RuleSet {
  const rules = new Map(source.rules.map(rule => [rule.symbol, rule]));
  const leaves: Run[] = [];
  const compiled = compileAll(source, leaves);
  const early = compiled.filter(one => !one.isLate);
  const late = compiled.filter(one => one.isLate);
  const { digest } = source;
  return {
    source,
    digest,
    rules,
    match: (message, context) => {
      const now: Now = { view: new View(message, context), found: new Set(), holds: new Map() };
      const hits = runAll(early, now);
      const holds = leaves.flatMap((run, number) => {
        const seen = run(now);
        return seen === null ? [] : [[number, evidence(seen).slice(0, 100)] as const];
      });
      return { hits, facts: { digest, holds } };
    },
    combined: ({ facts, found, context, auth }) => {
      const known = facts?.digest === digest ? facts : null;
      const now: Now = { view: new View(null, context, auth), found: new Set(found), holds: new Map(known?.holds) };
      return runAll(known === null ? late.filter(one => !one.needsFacts) : late, now);
    },
  };
}

function runAll(rules: readonly Compiled[], now: Now): Hit[] {
  const hits: Hit[] = [];
  for (const { rule, run } of rules) {
    const seen = run(now);
    if (seen === null) continue;
    now.found.add(rule.symbol);
    hits.push(hit(rule.symbol, seen, rule.strength));
  }
  return hits;
}

function compileAll(source: RuleSource, leaves: Run[]): Compiled[] {
  const isLate = new Map<string, boolean>();
  const own = new Set(source.rules.filter(rule => rule.when !== null).map(rule => rule.symbol));
  const compiled: Compiled[] = [];
  for (const rule of ordered(source.rules)) {
    if (rule.when === null || !rule.isEnabled) continue;
    const late = needsFindings(rule.when, symbol => (own.has(symbol) ? (isLate.get(symbol) ?? false) : true));
    isLate.set(rule.symbol, late);
    const before = leaves.length;
    const run = late ? compileLate(rule.when, leaves) : compileCondition(rule.when);
    compiled.push({ rule, isLate: late, needsFacts: leaves.length > before, run });
  }
  return compiled;
}

/** Does it hang on what only the scanners know? */
function needsFindings(condition: Condition, isLate: (symbol: string) => boolean): boolean {
  if (condition.kind === 'found') return isLate(condition.symbol);
  if (condition.kind === 'thing') return thingSpec(condition.thing)?.isLate ?? false;
  if (condition.kind === 'not') return needsFindings(condition.of, isLate);
  if (condition.kind === 'all' || condition.kind === 'any' || condition.kind === 'at-least') {
    return condition.of.some(one => needsFindings(one, isLate));
  }
  return false;
}

/** Formulas stay here; each condition on the message becomes a leaf that the thread runs. */
function compileLate(condition: Condition, leaves: Run[]): Run {
  const { kind } = condition;
  if (kind === 'value' || kind === 'count' || (kind === 'thing' && thingSpec(condition.thing)?.isLate !== true)) {
    const number = leaves.push(compileCondition(condition)) - 1;
    return now => now.holds.get(number) ?? null;
  }
  return compileCondition(condition, inner => compileLate(inner, leaves));
}

function compileCondition(
  condition: Condition,
  compile: (inner: Condition) => Run = inner => compileCondition(inner),
): Run {
  switch (condition.kind) {
    case 'all':
      return atLeast(condition.of.map(compile), condition.of.length);
    case 'any':
      return atLeast(condition.of.map(compile), 1);
    case 'at-least':
      return atLeast(condition.of.map(compile), condition.count);
    case 'not': {
      const run = compile(condition.of);
      return now => (run(now) === null ? '' : null);
    }
    case 'found':
      return now => (now.found.has(condition.symbol) ? condition.symbol : null);
    case 'value': {
      const test = compileTest(condition.test);
      return now => firstOf(now.view.values(condition.target), value => test(value, now.view));
    }
    case 'count':
      return now => {
        const count = now.view.values(condition.target).length;
        return compares(count, condition.sign, condition.number) ? `${condition.target}: ${count}` : null;
      };
    case 'thing': {
      const run = compileInside(condition.of);
      return now => firstOf(now.view.things(condition.thing), thing => run(thing, now.view));
    }
    case 'field':
      throw new TypeError('a field outside of a thing');
  }
}

type RunInside = (thing: Thing, view: View) => string | null;

function compileInside(condition: Condition): RunInside {
  switch (condition.kind) {
    case 'all':
      return inside(condition.of.map(compileInside), condition.of.length);
    case 'any':
      return inside(condition.of.map(compileInside), 1);
    case 'at-least':
      return inside(condition.of.map(compileInside), condition.count);
    case 'not': {
      const run = compileInside(condition.of);
      return (thing, view) => (run(thing, view) === null ? '' : null);
    }
    case 'field':
      return fieldTest(condition.field, compileTest(condition.test));
    case 'found':
    case 'value':
    case 'count':
    case 'thing':
      throw new TypeError(`${condition.kind} inside of a thing`);
  }
}

function fieldTest(field: string, test: RunTest): RunInside {
  return (thing, view) => {
    const value = thing[field] ?? null;
    return value === null ? null : test(value, view);
  };
}

function inside(runs: readonly RunInside[], count: number): RunInside {
  return (thing, view) => enough(runs, count, run => run(thing, view));
}

function atLeast(runs: readonly Run[], count: number): Run {
  return now => enough(runs, count, run => run(now));
}

/** Joins the evidence of those that hold, and stops as soon as it is clear. */
function enough<R>(runs: readonly R[], count: number, call: (run: R) => string | null): string | null {
  const seen: string[] = [];
  let holding = 0;
  for (let i = 0; i < runs.length && holding < count && holding + runs.length - i >= count; i++) {
    const run = runs[i];
    const one = run === undefined ? null : call(run);
    if (one === null) continue;
    holding += 1;
    if (one !== '') seen.push(one);
  }
  return holding >= count ? seen.join('; ') : null;
}

function firstOf<V>(values: readonly V[], test: (value: V) => string | null): string | null {
  for (const value of values) {
    const seen = test(value);
    if (seen !== null) return seen;
  }
  return null;
}
