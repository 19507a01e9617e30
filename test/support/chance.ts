// Chance that can be repeated: every run has the same inputs, so that a change that broke nothing never fails on them;
// POSTERN_FUZZ_SEED=2 gives others, and POSTERN_FUZZ_ROUNDS=10 ten times as many. The only place that reads the two.

import type { TestContext } from 'node:test';

export interface Chance {
  /** From 0 to below 1. */
  next(): number;
  /** From 0 to below `limit`. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
  /** A text of up to `max` pieces of the alphabet. */
  text(alphabet: readonly string[], max: number): string;
}

const USUAL_SEED = 1;

/** A test that failed shows its seed. */
export function chance(t: TestContext): Chance {
  const seed = setting('POSTERN_FUZZ_SEED', USUAL_SEED);
  t.diagnostic(`POSTERN_FUZZ_SEED=${seed}`);
  return chanceOf(seed);
}

/** For what is no test, and names its seed itself. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  // mulberry32: small, and good enough for choosing test inputs.
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  const pick = <T>(list: readonly T[]): T => {
    const found = list[below(list.length)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  };
  const text = (alphabet: readonly string[], max: number) =>
    Array.from({ length: below(max + 1) }, () => pick(alphabet)).join('');
  return { next, below, pick, text };
}

/** How many inputs: `short` in every run, as many times more as POSTERN_FUZZ_ROUNDS says. */
export function rounds(short: number): number {
  return Math.ceil(short * setting('POSTERN_FUZZ_ROUNDS', 1));
}

function setting(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise);
  if (Number.isNaN(value) || value < 0) throw new RangeError(`${name}=${process.env[name]} is no number`);
  return value;
}
