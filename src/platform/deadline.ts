// Deadlines (I7). Every wait on the outside takes an AbortSignal; these make and join them without leaking timers.

export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
}

/**
 * Runs `work` with a signal that fires after `ms` or with the outer one, whichever is first, and rejects then even if
 * `work` does not listen. `what` is said in the error: "clamd: no answer within 30000 ms".
 */
export async function withDeadline<T>(
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const control = new AbortController();
  const onOuter = () => control.abort(outer?.reason);
  if (outer?.aborted === true) onOuter();
  outer?.addEventListener('abort', onOuter, { once: true });
  const timer = setTimeout(() => control.abort(new DeadlinePassed(`${what}: no answer within ${ms} ms`)), ms);
  try {
    return await orAborted(control.signal, work(control.signal));
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onOuter);
  }
}

/** Settles with `work`, or rejects with the signal's reason when it fires first; a later failure of `work` is ignored. */
export async function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await (signal === undefined ? passed : orAborted(signal, passed));
  } finally {
    clearTimeout(timer);
  }
}
