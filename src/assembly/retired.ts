// Parts that a reload has replaced: closed when the messages that they have begun are surely done. Called by main.ts.

import { errorText, type Log } from '../platform/log.ts';

interface Closable {
  close(): Promise<void>;
}

/** After a reload the old version may still have messages. */
const RETIRE_MS = 5 * 60_000;

export class Retired {
  readonly #log: Log;
  readonly #waiting = new Set<() => Promise<void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  add(parts: readonly Closable[]): void {
    const close = () => {
      clearTimeout(timer);
      this.#waiting.delete(close);
      return closeAll(parts).catch(error => this.#log.error({ error: errorText(error) }, 'old version not closed'));
    };
    const timer = setTimeout(close, RETIRE_MS);
    timer.unref();
    this.#waiting.add(close);
  }

  /** All of them, now. */
  async close(): Promise<void> {
    await Promise.all([...this.#waiting].map(close => close()));
  }
}

export async function closeAll(parts: readonly Closable[]): Promise<void> {
  await Promise.all(parts.map(part => part.close()));
}
