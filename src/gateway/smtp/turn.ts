// Whose turn it is on one connection, and how long the client has kept us waiting. Bytes that drip in are no progress: a
// command line counts when it is whole, content by its pace (I7).

/** A slow line's 64 kbit/s. Whoever brings content more slowly keeps a place that others may need. */
const FAIR_BYTES_A_MS = 8;

export class Turn {
  /** Epoch milliseconds since when the next command line is awaited; 0 while we owe an answer, or read content. */
  #lineSince = Date.now();
  /** null outside of content. */
  #content: { readonly since: number; readonly from: number } | null = null;
  /** What the reader of the content has taken of that time, and since when it is at it; 0 while it waits for more. */
  #readerMs = 0;
  #readerSince = 0;

  /** We have answered, or do so after `inMs`: the next line is due. */
  theirs(inMs = 0): void {
    this.#lineSince = Date.now() + inMs;
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
    this.#readerMs = 0;
    this.#readerSince = 0;
  }

  /** The same content. While its reader has a piece in hand (a disk that pauses) nobody waits for the client. */
  async *timed(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of content) {
      this.#readerSince = Date.now();
      yield piece;
      this.#readerMs = this.#tookMs(Date.now());
      this.#readerSince = 0;
    }
  }

  isLate(now: number, commandMs: number): boolean {
    return this.#lineSince !== 0 && now > this.#lineSince + commandMs;
  }

  /** Milliseconds; 0 while the client waits for us, or brings content at a fair pace. `bytes` is all it has sent. */
  waitedMs(now: number, bytes: number): number {
    if (this.#lineSince !== 0) return Math.max(0, now - this.#lineSince);
    if (this.#content === null) return 0;
    const theirMs = now - this.#content.since - this.#tookMs(now);
    return Math.max(0, theirMs - (bytes - this.#content.from) / FAIR_BYTES_A_MS);
  }

  #tookMs(now: number): number {
    return this.#readerMs + (this.#readerSince === 0 ? 0 : now - this.#readerSince);
  }
}
