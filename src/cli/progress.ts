// A sign of life on stderr while a command takes longer than a second. Only for a terminal: in a file or a pipe it would
// be dirt. Called by every command that may take so long; it is gone when the command prints its result.

import { cutEnd } from '../platform/text-width.ts';

const QUIET_MS = 1000;
const EVERY_MS = 250;
const CLEAR = '\r\u001b[K';

/** As much of stderr as is needed. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress {
  /** Call before anything is printed: takes the line away until the next turn. */
  clear(): void;
  stop(): void;
}

/** For work that lets no timer run: the line is there at once, until `stop`. */
export function showWorking(text: string, to: Terminal = process.stderr): Progress {
  if (to.isTTY !== true) return { clear: () => undefined, stop: () => undefined };
  to.write(fitting(text, to));
  const clear = () => void to.write(CLEAR);
  return { clear, stop: clear };
}

/** `text` is asked again and again for the line. */
export function startProgress(text: () => string, to: Terminal = process.stderr): Progress {
  if (to.isTTY !== true) return { clear: () => undefined, stop: () => undefined };
  const startedAt = performance.now();
  let isShown = false;
  const clear = () => {
    if (isShown) to.write(CLEAR);
    isShown = false;
  };
  const timer = setInterval(() => {
    if (performance.now() - startedAt < QUIET_MS) return;
    clear();
    to.write(fitting(text(), to));
    isShown = true;
  }, EVERY_MS);
  timer.unref();
  const stop = () => {
    clearInterval(timer);
    clear();
  };
  return { clear, stop };
}

/** A line that breaks could not be taken away again. */
function fitting(text: string, { columns = 80 }: Terminal): string {
  return cutEnd(text, columns - 1);
}
