// Shows by measuring whether a regular expression can be made slow: runs it on strings written against it, inside a
// time limit that V8 enforces from another thread. Called when rules are loaded, never while mail flows.

import { createContext, Script } from 'node:vm';

import { type Node, parsePattern, sampleOf } from './pattern.ts';

export interface Slow {
  /** What was repeated. */
  readonly pump: string;
  readonly limitMs: number;
}

interface Attack {
  readonly text: string;
  readonly pump: string;
}

/** Linear work takes about 1 ms on the longest attack; quadratic work takes ten times this and more. */
const LIMIT_MS = 40;
const TRIES = 3;
/** A machine that does not give 40 ms of work in this time has other troubles than rules. */
const CLOCK_MAX_MS = 10_000;
const ATTACKS_MAX = 48;
/** From here on a bounded repetition is worth an attack of its own. */
const MANY = 10;
const EVERYWHERE = ['a', ' ', '1', '\n', 'a ', '-', '<'];
/** Ends an attack: hardly any expression can match it, so that the engine must give up every try. */
const END = '\u0001';

const RUN = new Script('for (const text of attacks) expression.test(text);');

/** The attack that takes too long, null where none does. */
export function slowestAttack(source: string, flags: string, length: number): Slow | null {
  const attacks = attacksOn(source, flags, length);
  const expression = new RegExp(source, flags);
  if (runsWithin(expression, attacks, LIMIT_MS * 2)) return null;
  const slow = attacks.find(attack => isSlow(expression, attack));
  return slow === undefined ? null : { pump: slow.pump, limitMs: LIMIT_MS };
}

/**
 * Counted is the processor's time: on a busy machine the clock runs on while nothing is done. So the limit of the clock
 * grows until the expression has ended or has really worked for LIMIT_MS. The first try of an expression also pays for
 * its compiling: it takes TRIES of them to call it slow.
 */
function isSlow(expression: RegExp, attack: Attack): boolean {
  for (let i = 0; i < TRIES; i++) if (!worksTooLong(expression, attack)) return false;
  return true;
}

function worksTooLong(expression: RegExp, attack: Attack): boolean {
  for (let limit = LIMIT_MS; limit <= CLOCK_MAX_MS; limit *= 2) {
    const before = process.threadCpuUsage();
    const ended = runsWithin(expression, [attack], limit);
    const workedMs = process.threadCpuUsage(before).user / 1000;
    if (workedMs >= LIMIT_MS) return true;
    if (ended) return false;
  }
  return false;
}

function runsWithin(expression: RegExp, attacks: readonly Attack[], timeout: number): boolean {
  const context = createContext({ expression, attacks: attacks.map(attack => attack.text) });
  try {
    RUN.runInContext(context, { timeout });
    return true;
  } catch {
    // The time limit; or the engine's own stack, which is no better.
    return false;
  }
}

function attacksOn(source: string, flags: string, length: number): Attack[] {
  const attacks = new Map<string, Attack>();
  const add = (prefix: string, pump: string): void => {
    if (pump === '' || attacks.size >= ATTACKS_MAX) return;
    const text = prefix + pump.repeat(Math.ceil((length - prefix.length) / pump.length)) + END;
    attacks.set(`${prefix}\u0000${pump}`, { text, pump });
  };
  walk(parsePattern(source, flags), '', add);
  for (const pump of EVERYWHERE) add('', pump);
  return [...attacks.values()];
}

/** Visits what repeats: the piece itself again and again, and all that leads to it again and again. */
function walk(node: Node, prefix: string, add: (prefix: string, pump: string) => void): void {
  if (node.kind === 'row') {
    let before = prefix;
    for (const item of node.items) {
      walk(item, before, add);
      before = (before + sampleOf(item)).slice(0, 200);
    }
  } else if (node.kind === 'either') for (const option of node.options) walk(option, prefix, add);
  else if (node.kind === 'look') walk(node.inner, prefix, add);
  else if (node.kind === 'repeat') {
    if (node.max >= MANY) {
      const options = node.inner.kind === 'either' ? node.inner.options : [node.inner];
      for (const option of options.slice(0, 4)) add(prefix, sampleOf(option));
      add('', prefix);
    }
    walk(node.inner, prefix, add);
  }
}
