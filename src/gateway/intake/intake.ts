// DATA: from the connection through the line guard into the spool. Nothing is fsynced, for the sender owns it (I1).
// Memory is one chunk, whatever the size: the disk's pace slows the client.

import { MailError } from '../../mail/error.ts';
import type { SpoolDraft } from '../../mail/ports.ts';
import { orAborted } from '../../platform/deadline.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { LineGuard } from './line-guard.ts';

export interface IntakeLimits {
  /** From 354 to the dot, milliseconds. */
  readonly dataMs: number;
  /** Bytes a second over each window; less is 421. */
  readonly minimumRate: number;
  /** Milliseconds. RFC 5321 4.5.3.2.5 lets a client take its time for a block: a pause is not yet a drip. */
  readonly rateWindowMs: number;
  /** What a client may still send after its message was found unfit, before it is cut off. */
  readonly drainBytes: number;
}

/** The bytes of one message as the connection gives them, the dot and the dot-stuffing removed. */
export type Incoming = AsyncIterable<Uint8Array>;

/**
 * Writes the whole message to the draft. A content that is refused is still read to its dot, so that the reply finds
 * the client listening. Throws MailError (tooLarge, nulInContent, bareNewline, loop, noSpace, deadline, tooSlow), or
 * the connection's error when the client has gone.
 */
export async function takeIn(
  incoming: Incoming,
  draft: SpoolDraft,
  guard: LineGuard,
  limits: IntakeLimits,
): Promise<void> {
  const watch = new Watch(limits);
  let refusal: unknown = null;
  let drained = 0;
  try {
    const reader = incoming[Symbol.asyncIterator]();
    await failpoint('data.begin');
    for (;;) {
      const { done, value } = await watch.over(reader.next());
      if (done === true) break;
      watch.count(value.length);
      if (refusal === null) {
        try {
          await watch.ours(draft.write(guard.push(value)));
        } catch (error) {
          refusal = error;
          await draft.discard();
        }
      } else {
        drained += value.length;
        if (drained > limits.drainBytes) throw refusal;
      }
    }
    if (refusal !== null) throw refusal;
    await draft.write(guard.end());
  } finally {
    watch.stop();
  }
}

/** Fires when the message takes too long as a whole, or comes too slowly for a minute of the client's own time. */
class Watch {
  readonly #control = new AbortController();
  readonly #whole: NodeJS.Timeout;
  readonly #rate: NodeJS.Timeout;
  #inWindow = 0;
  /** Milliseconds of `performance.now()`; what our own disk has taken since then is not the client's. */
  #since = performance.now();
  #oursMs = 0;
  #oursSince: number | null = null;

  constructor(limits: IntakeLimits) {
    this.#whole = setTimeout(() => this.#fail('deadline', `DATA took longer than ${limits.dataMs} ms`), limits.dataMs);
    this.#rate = setInterval(() => this.#judge(limits), limits.rateWindowMs);
  }

  over<T>(wait: Promise<T>): Promise<T> {
    return orAborted(this.#control.signal, wait);
  }

  /** Waits for what we do with a piece: the client waits too. */
  async ours(work: Promise<void>): Promise<void> {
    this.#oursSince = performance.now();
    try {
      await work;
    } finally {
      this.#oursMs += performance.now() - this.#oursSince;
      this.#oursSince = null;
    }
  }

  count(bytes: number): void {
    this.#inWindow += bytes;
  }

  stop(): void {
    clearTimeout(this.#whole);
    clearInterval(this.#rate);
  }

  #judge({ minimumRate, rateWindowMs }: IntakeLimits): void {
    const now = performance.now();
    const oursMs = this.#oursMs + (this.#oursSince === null ? 0 : now - this.#oursSince);
    const theirMs = now - this.#since - oursMs;
    // Too little of it to tell a pause from a drip: the window goes on.
    if (theirMs < rateWindowMs / 2) return;
    if (this.#inWindow < (minimumRate * theirMs) / 1000) {
      this.#fail('tooSlow', `${this.#inWindow} bytes within ${Math.round(theirMs)} ms`);
    }
    this.#inWindow = 0;
    this.#since = now;
    this.#oursMs = 0;
    if (this.#oursSince !== null) this.#oursSince = now;
  }

  #fail(reply: 'deadline' | 'tooSlow', why: string): void {
    this.#control.abort(new MailError(reply, why));
  }
}
