// The arithmetic of the bench: percentiles, medians, what a run comes to. Pure; the tables and the bars are made from it.

/** The smallest value that `share` (0 to 1) of all do not exceed (nearest rank). NaN where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle one, or the mean of the two in the middle. NaN where there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1] ?? Number.NaN, sorted[Math.floor(half)] ?? Number.NaN];
  return (low + high) / 2;
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export function latencyOf(valuesMs: readonly number[]): Latency {
  const at = (share: number) => percentile(valuesMs, share);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** How much `after` has more than `before`, name by name; what was not there before counts from 0. */
export function difference(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]));
}

/** What each further megabyte costs between one size and the next: the fixed part of a message falls out. */
export function marginal(points: readonly { readonly size: number; readonly cost: number }[]): number[] {
  return points.slice(1).map(({ size, cost }, n) => {
    const before = points[n] ?? { size: 0, cost: 0 };
    return ((cost - before.cost) / (size - before.size)) * 1e6;
  });
}
