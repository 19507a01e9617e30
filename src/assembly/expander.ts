// The expand phase on a pool of threads: one pool for one set of rules, so that a reload is a new pool beside the old
// one and no message is ever read by half a set (I9).

import type { Expanded, Expander } from '../mail/ports.ts';
import { createThreads } from '../platform/threads.ts';
import type { ExpandData } from '../thread.ts';

/** Heap of one thread: the largest message, its decoded parts and its views. */
const HEAP_MB = 768;
/** Thousands of expressions take seconds; a set that takes longer would never judge a message in time. */
const WARM_MS = 60_000;

/** Resolves when every thread has compiled the rules. */
export async function createExpander(data: ExpandData, threads: number): Promise<Expander> {
  const pool = createThreads({
    name: 'rules',
    file: new URL('../thread.ts', import.meta.url),
    threads,
    // The pipeline hands out no more than there are threads; a killed one takes a moment to be replaced.
    maxQueue: threads * 4,
    heapMb: HEAP_MB,
    data,
  });
  const signal = AbortSignal.timeout(WARM_MS);
  try {
    await Promise.all(Array.from({ length: threads }, () => pool.run('warm', null, { signal })));
  } catch (error) {
    await pool.close();
    throw error;
  }
  return {
    expand: async (entry, signal) => (await pool.run('expand', entry, { signal })) as Expanded,
    health: async () => pool.health(),
    close: () => pool.close(),
  };
}
