// What this process still holds, with rubbish collected first: without that a measure says when the collector last ran.

import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Collections that must find nothing more. The memory of buffers is given back by threads, some time after. */
const SAME = 3;
const TRIES = 20;

/** Bytes of the heap and of the buffers outside of it that something still refers to. */
export async function heldBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0, same = 0; tries < TRIES && same < SAME; tries++) {
    collect();
    await pause(5);
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    same = heapUsed + arrayBuffers < least - 100_000 ? 0 : same + 1;
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}
