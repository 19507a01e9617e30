// Whose turn it is on one connection, and how long the client has kept us waiting. Bytes that drip in are no progress: a
// command line counts when it is whole, content by its pace (I7).

/** A slow line's 64 kbit/s. Whoever brings content more slowly keeps a place that others may need. */
const FAIR_BYTES_A_MS = 8;

export class Turn {
  /** Epoch milliseconds since when the next command line is awaited; 0 while we owe an answer, or read content. */
  #lineSince = Date.now();
  /** null outside of content. */
  #content: { readonly since: number; readonly from: number } | null = null;

  /** We have answered: the next line is due. */
  theirs(): void {
    this.#lineSince = Date.now();
    this.#content = null;
  }

  /** A line is whole, or the content: we owe the answer. */
  ours(): void {
    this.#lineSince = 0;
    this.#content = null;
  }

  /** 354 is said; `bytes` is what the client had sent before. */
  content(bytes: number): void {
    this.#lineSince = 0;
    this.#content = { since: Date.now(), from: bytes };
  }

  isLate(now: number, commandMs: number): boolean {
    return this.#lineSince !== 0 && now > this.#lineSince + commandMs;
  }

  /** Milliseconds; 0 while the client waits for us, or brings content at a fair pace. `bytes` is all it has sent. */
  waitedMs(now: number, bytes: number): number {
    if (this.#lineSince !== 0) return now - this.#lineSince;
    if (this.#content === null) return 0;
    return Math.max(0, now - this.#content.since - (bytes - this.#content.from) / FAIR_BYTES_A_MS);
  }
}
