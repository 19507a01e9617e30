// Bounds what is under way at once by number and by size; the others wait in line. Used where whole messages are handed to
// somebody: the scan queue, the threads that read them, clamd. Size alone would let a thousand small ones in, number alone a hundred large ones.

import { orAborted } from './deadline.ts';

interface InLine {
  readonly bytes: number;
  readonly enter: () => void;
}

export class InFlight {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  readonly #line: InLine[] = [];
  #count = 0;
  #bytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Runs `work` when its turn comes. Rejects with the signal's reason while it waits, else as `work` does. */
  async run<T>(bytes: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#turn(bytes, signal);
    try {
      return await work();
    } finally {
      this.#count -= 1;
      this.#bytes -= bytes;
      this.#next();
    }
  }

  async #turn(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let enter: () => void = () => undefined;
    const turn = new Promise<void>(resolve => {
      enter = resolve;
    });
    const entry: InLine = { bytes, enter };
    this.#line.push(entry);
    this.#next();
    try {
      await orAborted(signal, turn);
    } catch (error) {
      const place = this.#line.indexOf(entry);
      if (place >= 0) {
        this.#line.splice(place, 1);
      } else {
        // Its turn came in the same moment.
        this.#count -= 1;
        this.#bytes -= bytes;
      }
      this.#next();
      throw error;
    }
  }

  /** In order of arrival; one that is larger than all room goes alone. */
  #next(): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      const hasRoom = this.#count < this.#maxCount && this.#bytes + first.bytes <= this.#maxBytes;
      if (!hasRoom && this.#count > 0) return;
      this.#line.shift();
      this.#count += 1;
      this.#bytes += first.bytes;
      first.enter();
    }
  }
}
