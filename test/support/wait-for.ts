// Waits for something to become true by asking again, with a bound: no test sleeps for a fixed time.

/** Resolves once `isTrue`; rejects with `what` after `withinMs`. */
export async function waitFor(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  withinMs = 15_000,
): Promise<void> {
  const until = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}
