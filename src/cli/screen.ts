// The terminal's other screen: what stood there before is back when we have gone, however we go. Called by top.ts.
// Takes whole pages of lines that are already cut to the width; writes nothing else.

/** As much of standard output as is needed. */
export interface Display {
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** As much of standard input as is needed. */
export interface Keys {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const ENTER = '\u001b[?1049h\u001b[?25l\u001b[2J';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** q, Q, Escape alone, Ctrl-C, Ctrl-D. */
const QUIT = /^(?:[qQ\u0003\u0004]|\u001b)$/;

export interface Screen {
  readonly width: number;
  readonly height: number;
  draw(lines: readonly string[]): void;
  /** Fires when the one who looks on wants to leave. */
  readonly left: AbortSignal;
  close(): void;
}

export function openScreen(onResize: () => void, out: Display = process.stdout, keys: Keys = process.stdin): Screen {
  const leaving = new AbortController();
  let isOpen = true;
  const leave = () => leaving.abort();
  const pressed = (chunk: Buffer) => {
    if (QUIT.test(chunk.toString('latin1'))) leave();
  };
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    out.off('resize', onResize);
    for (const signal of SIGNALS) process.off(signal, leave);
    process.off('exit', close);
    keys.off('data', pressed);
    if (keys.isTTY === true) keys.setRawMode?.(false);
    keys.pause();
    out.write(LEAVE);
  };
  // Also at the end of a process that has failed: a terminal without a cursor is of no use to anybody.
  process.on('exit', close);
  for (const signal of SIGNALS) process.on(signal, leave);
  if (keys.isTTY === true) {
    keys.setRawMode?.(true);
    keys.on('data', pressed);
    keys.resume();
  }
  out.on('resize', onResize);
  out.write(ENTER);
  return {
    get width() {
      return out.columns ?? 80;
    },
    get height() {
      return out.rows ?? 24;
    },
    // Written over what is there, each line to its end: no flicker.
    draw: lines => {
      if (isOpen) out.write(`\u001b[H${lines.map(line => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
    },
    left: leaving.signal,
    close,
  };
}
