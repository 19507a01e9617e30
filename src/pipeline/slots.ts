// So many at once, the others wait in the order they came. Used by judge.ts for the threads.

export interface Slots {
  /** Resolves with the function that gives the slot back; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createSlots(count: number): Slots {
  let free = count;
  const waiting = new Set<() => void>();

  function giveBack(): void {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  }

  function once(): () => void {
    let isGiven = false;
    return () => {
      if (!isGiven) giveBack();
      isGiven = true;
    };
  }

  return {
    take: signal =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (free > 0) {
          free -= 1;
          return resolve(once());
        }
        const onAbort = () => {
          waiting.delete(next);
          reject(signal.reason);
        };
        const next = () => {
          waiting.delete(next);
          signal.removeEventListener('abort', onAbort);
          resolve(once());
        };
        waiting.add(next);
        signal.addEventListener('abort', onAbort, { once: true });
      }),
  };
}
