// A sign of life on stderr while a command takes longer than a second. Only for a terminal: in a file or a pipe it would
// be dirt. Called by check and doctor; writes nothing else and is gone when the command prints its result.

const QUIET_MS = 1000;
const EVERY_MS = 250;

/** As much of stderr as is needed. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface Progress {
  /** Call before anything is printed: takes the line away until the next turn. */
  clear(): void;
  stop(): void;
}

/** `text` is asked again and again for the line, shorter than a terminal is wide. */
export function startProgress(text: () => string, to: Terminal = process.stderr): Progress {
  if (to.isTTY !== true) return { clear: () => undefined, stop: () => undefined };
  const startedAt = performance.now();
  let isShown = false;
  const clear = () => {
    if (isShown) to.write('\r\u001b[K');
    isShown = false;
  };
  const timer = setInterval(() => {
    if (performance.now() - startedAt < QUIET_MS) return;
    clear();
    to.write(text());
    isShown = true;
  }, EVERY_MS);
  timer.unref();
  const stop = () => {
    clearInterval(timer);
    clear();
  };
  return { clear, stop };
}
