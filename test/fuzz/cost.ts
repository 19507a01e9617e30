// Asks whether work costs more than its input is worth, in this thread's own CPU time and compared with itself: a busy
// machine changes neither. Used by the cost tests of this folder.

import assert from 'node:assert/strict';

/** Linear work takes 4 times as long on 4 times as much, quadratic work 16 times; the rest is noise. */
const GROWTH_MAX = 12;
/** Shorter than this nothing can be said of growth: caches and compiling weigh more. */
const GROWTH_FROM_MS = 60;
/** Noise only adds, so the least of several runs is the nearest to the truth; most need one. */
const TRIES = 15;

/** Milliseconds of CPU. */
export async function cpuMs(work: () => unknown): Promise<number> {
  // Of this thread: those that collect garbage and compile work when they like.
  const before = process.threadCpuUsage();
  await work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

export interface Costing {
  readonly name: string;
  /** Input of about that many bytes, made before the measuring. */
  readonly make: (bytes: number) => Buffer;
  readonly work: (input: Buffer) => unknown;
  readonly bytes: number;
  /** Milliseconds that `bytes` times 4 may take at most: many times what honest input of that size takes. */
  readonly limitMs: number;
}

/** Fails where four times the input takes far more than four times as long, or more than the limit. */
export async function assertCheap({ name, make, work, bytes, limitMs }: Costing): Promise<void> {
  const [small, large] = [make(bytes), make(bytes * 4)];
  let [one, four] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < TRIES; i++) {
    one = Math.min(one, await cpuMs(() => work(small)));
    four = Math.min(four, await cpuMs(() => work(large)));
    if (four <= limitMs && (four < GROWTH_FROM_MS || four <= one * GROWTH_MAX)) return;
  }
  assert.fail(
    `${name}: ${one.toFixed(1)} ms for ${small.length} bytes, ${four.toFixed(1)} ms for ${large.length}; at most ${limitMs.toFixed(0)} ms, and ${GROWTH_MAX} times`,
  );
}
