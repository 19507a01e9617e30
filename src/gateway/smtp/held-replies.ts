// Replies to pipelined MAIL, RCPT and RSET that go out in one packet, as RFC 2920 section 3.2 allows: each packet wakes the
// client, and costs us as much as the command. Everything else is said at once, and nothing waits once the client's
// commands are used up. Called by connection.ts around each command.

import type { Writable } from 'node:stream';

import type { SessionVerb } from './verbs.ts';

/** RFC 2920 3.2 (3): these; (4) and (5): no others. */
const MAY_WAIT: ReadonlySet<SessionVerb> = new Set(['MAIL', 'RCPT', 'RSET']);
/** Well below what a socket holds before it asks to be drained: a held socket never drains. */
const HELD_MAX_BYTES = 4096;

/** A socket, as far as it is needed here. */
type Corked = Pick<Writable, 'cork' | 'uncork' | 'writableLength'>;

/** A client that has all its commands in one packet may have minutes for each: it must not wait for their sum. */
const HELD_MAX_MS = 1000;

export class HeldReplies {
  #verb: SessionVerb | null = null;
  #isHolding = false;
  #timer: NodeJS.Timeout | undefined;

  /** Before a command is performed; null for what is none. `hasMore`: another whole line is there. */
  before(verb: SessionVerb | null, socket: Corked, hasMore: boolean): void {
    this.#verb = verb;
    if (verb !== null && MAY_WAIT.has(verb)) {
      if (this.#isHolding || !hasMore) return;
      socket.cork();
      this.#isHolding = true;
      this.#timer = setTimeout(() => this.#letGo(socket), HELD_MAX_MS).unref();
    } else if (verb !== 'DATA') {
      this.#letGo(socket);
    }
  }

  /** When it is answered. */
  after(socket: Corked, hasMore: boolean): void {
    const mayWait = this.#verb !== null && MAY_WAIT.has(this.#verb);
    if (!mayWait || !hasMore || socket.writableLength > HELD_MAX_BYTES) this.#letGo(socket);
  }

  #letGo(socket: Corked): void {
    if (!this.#isHolding) return;
    this.#isHolding = false;
    clearTimeout(this.#timer);
    socket.uncork();
  }
}
