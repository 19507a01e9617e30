// The order in which rules can run: those that a rule names before it. Finds rules that wait for each other in a circle.

import type { Condition, Rule } from './model.ts';

/** The symbols a condition names. */
export function symbolsOf(condition: Condition): string[] {
  if (condition.kind === 'found') return [condition.symbol];
  if (condition.kind === 'not' || condition.kind === 'thing') return symbolsOf(condition.of);
  if (condition.kind === 'all' || condition.kind === 'any' || condition.kind === 'at-least')
    return condition.of.flatMap(symbolsOf);
  return [];
}

/** Each rule after those it names. Rules in a circle are left out: `circles` names them, and such a set is refused. */
export function ordered(rules: readonly Rule[]): Rule[] {
  return visit(rules).order;
}

/** Each circle once: the symbols in the order in which they name each other. */
export function circles(rules: readonly Rule[]): string[][] {
  return visit(rules).circles;
}

interface Visit {
  readonly order: Rule[];
  readonly circles: string[][];
}

interface Step {
  readonly rule: Rule;
  readonly waiting: string[];
}

/** Depth first with a stack of its own: a chain of thousands of rules must not overflow the engine's. */
function visit(rules: readonly Rule[]): Visit {
  const bySymbol = new Map(rules.map(rule => [rule.symbol, rule]));
  const state = new Map<string, 'open' | 'done'>();
  const result: Visit = { order: [], circles: [] };
  for (const start of rules) {
    if (state.has(start.symbol)) continue;
    const stack: Step[] = [open(start, state)];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = bySymbol.get(top.waiting.pop() ?? '');
      if (next === undefined && top.waiting.length > 0) continue;
      if (next === undefined) {
        state.set(top.rule.symbol, 'done');
        result.order.push(top.rule);
        stack.pop();
      } else if (state.get(next.symbol) === 'open') {
        const chain = stack.map(step => step.rule.symbol);
        result.circles.push([...chain.slice(chain.indexOf(next.symbol)), next.symbol]);
      } else if (!state.has(next.symbol)) stack.push(open(next, state));
    }
  }
  return result;
}

function open(rule: Rule, state: Map<string, 'open' | 'done'>): Step {
  state.set(rule.symbol, 'open');
  return { rule, waiting: rule.when === null ? [] : symbolsOf(rule.when).reverse() };
}
