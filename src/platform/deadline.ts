// Deadlines (I7). Every wait on the outside takes an AbortSignal; these make and join them without leaking timers.

export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
}

/**
 * Runs `work` with a signal that fires after `ms` or with the outer one, whichever is first, and rejects then even if
 * `work` does not listen. `what` is said in the error: "clamd: no answer within 30000 ms".
 */
export function withDeadline<T>(
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const control = new AbortController();
  const onLate = () => control.abort(new DeadlinePassed(`${what}: no answer within ${ms} ms`));
  const timer = setTimeout(onLate, ms);
  return following(outer, control, work, () => clearTimeout(timer));
}

/**
 * Runs `work` with a signal that fires with the first of two. For every message, where AbortSignal.any is not meant to be:
 * it and one listener on it cost twenty times as much (10 µs), and its composites live until they are collected.
 */
export function withEither<T>(
  one: AbortSignal,
  other: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const control = new AbortController();
  const onOne = () => control.abort(one.reason);
  if (one.aborted) onOne();
  else one.addEventListener('abort', onOne, { once: true });
  return following(other, control, work, () => one.removeEventListener('abort', onOne));
}

/** `work` with the signal of `control`, which follows `outer`; `undo` when it has settled. */
async function following<T>(
  outer: AbortSignal | undefined,
  control: AbortController,
  work: (signal: AbortSignal) => Promise<T>,
  undo: () => void,
): Promise<T> {
  const onOuter = () => control.abort(outer?.reason);
  if (outer?.aborted === true) onOuter();
  else outer?.addEventListener('abort', onOuter, { once: true });
  try {
    return await orAborted(control.signal, work(control.signal));
  } finally {
    undo();
    outer?.removeEventListener('abort', onOuter);
  }
}

/** Settles with `work`, or rejects with the signal's reason when it fires first; a later failure of `work` is ignored. */
export function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const end = () => signal.removeEventListener('abort', onAbort);
    work.then(
      value => {
        end();
        resolve(value);
      },
      error => {
        end();
        reject(error);
      },
    );
  });
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
