// Chance that can be repeated: a fuzz test prints its seed, and POSTERN_SEED runs it again with the same inputs.

export interface Chance {
  readonly seed: number;
  /** From 0 to below `limit`. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
  /** A text of up to `max` pieces of the alphabet. */
  text(alphabet: readonly string[], max: number): string;
}

export function chance(): Chance {
  const seed = Number(process.env['POSTERN_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
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
  return { seed, below, pick, text };
}

/** How many inputs: `short` in every run, more where POSTERN_FUZZ says how many times as many. */
export function rounds(short: number): number {
  return short * Number(process.env['POSTERN_FUZZ'] ?? 1);
}
