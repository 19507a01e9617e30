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

/** How CPU grows with size: the slope of log against log. 1 is linear, 2 quadratic; the fixed part per message is first taken off. */
export function exponent(points: readonly { readonly size: number; readonly cost: number }[]): number {
  const [first, ...rest] = points;
  if (first === undefined) return Number.NaN;
  const grown = rest.map(({ size, cost }) => ({ x: Math.log(size), y: Math.log(Math.max(cost - first.cost, 1e-3)) }));
  const mean = (of: (point: { x: number; y: number }) => number) => sum(grown.map(of)) / grown.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = sum(grown.map(({ x }) => (x - meanX) ** 2));
  return sum(grown.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
}
