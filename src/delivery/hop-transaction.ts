// One transaction on a lent connection (port HopTransaction). A 4yz or 5yz is a value; HopLost says that the server
// went away. A connection that died before the first byte of the message is replaced and the commands said again;
// after that byte nothing is ever sent twice. While its client is idle, sends slowly or is scanned, a transaction rests:
// others use the connection, or a few idle clients would stop all mail.

import type { Recipient, ReversePath } from '../mail/envelope.ts';
import { HopLost, MailError } from '../mail/error.ts';
import type { HopCapabilities, HopReply, HopTransaction } from '../mail/ports.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText } from '../platform/log.ts';
import { type MailParameters, mailCommand, rcptCommand } from './commands.ts';
import { DotStuffer, PIECE_MIN, stuffed } from './dot-stuffer.ts';
import { isGood, type SessionCapabilities } from './hop-session.ts';
import type { Lease } from './host-pool.ts';
import type { HopTimeouts } from './options.ts';
import { hopReply } from './reply-parser.ts';
import { WireFailed } from './wire.ts';

/** Connections a transaction may use up after its first: a peer that closes again and again is given up. */
const REOPENS_MAX = 2;
/** After so many rests no more recipients: each rest repeats all before it, and a slow client must not multiply load. */
const RESTS_MAX = 10;
const NEVER = new AbortController().signal;
/** What still waits for a connection then has nobody waiting for it. One for all: an error takes a stack. */
const RELEASED = new HopLost(false, 'released');

export interface TransactionParts {
  readonly lease: Lease;
  readonly timeouts: HopTimeouts;
  readonly oneRecipient: boolean;
  readonly restMs: number;
  /** Another connection to any host; `fresh`: not a kept one. Throws MailError. */
  readonly take: (signal: AbortSignal, how: { fresh: boolean }) => Promise<Lease>;
  /** This host broke its connection: others are tried before it. */
  readonly onLost: (lease: Lease, failure: WireFailed) => void;
}

type Line = (capabilities: SessionCapabilities) => string;

export class SmtpTransaction implements HopTransaction {
  readonly #parts: TransactionParts;
  #lease: Lease;
  #mail: Line | null = null;
  #isUtf8 = false;
  readonly #accepted: Recipient[] = [];
  #reopens = 0;
  /** A command is under way, or the peer is inside DATA: the connection cannot be given back. */
  #isBetweenCommands = true;
  /** The dot was answered: the peer has forgotten the transaction. */
  #isOver = false;
  #isReleased = false;
  /** The connection was given back until there is something to say. */
  #isResting = false;
  #rests = 0;
  #restTimer: NodeJS.Timeout | undefined;
  readonly #ended = new AbortController();

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    this.#lease = parts.lease;
    this.#restSoon();
  }

  get host(): string {
    return this.#lease.session.name;
  }

  get capabilities(): HopCapabilities {
    return this.#lease.session.capabilities;
  }

  async mail(from: ReversePath, envelope: MailParameters, first?: Recipient): Promise<HopReply> {
    await failpoint('hop.mail');
    const line: Line = capabilities => mailCommand(from, envelope, capabilities);
    const reply = await this.#command(line, NEVER, first);
    if (isGood(reply)) this.#mail = line;
    return reply;
  }

  async rcpt(recipient: Recipient): Promise<HopReply> {
    await failpoint('hop.rcpt');
    if (this.#parts.oneRecipient && this.#accepted.length > 0) {
      throw new MailError('otherTransaction', 'LMTP: one recipient in a transaction');
    }
    if (this.#isResting && this.#rests > RESTS_MAX && this.#accepted.length > 0) {
      throw new MailError('otherTransaction', `${this.host}: rested ${this.#rests} times between recipients`);
    }
    const reply = await this.#command(() => rcptCommand(recipient, this.#isUtf8), NEVER);
    if (isGood(reply)) this.#accepted.push(recipient);
    return reply;
  }

  /**
   * `signal` counts up to the dot: nothing is passed on then. After the dot only afterDotMs and `replyBy` end the waiting
   * (or `release`), for the server has the message now, and what became of it is worth more than haste.
   */
  async data(body: AsyncIterable<Uint8Array>, signal: AbortSignal, replyBy?: number): Promise<HopReply> {
    await failpoint('hop.data');
    const reply = await this.#command(() => 'DATA', signal);
    if (reply.code !== 354) return reply;
    // From here to the reply to the dot the connection is ours, however long that takes.
    clearTimeout(this.#restTimer);
    this.#isBetweenCommands = false;
    await failpoint('hop.body');
    const stuffer = new DotStuffer();
    const sent = await this.#sendBody(stuffed(body, stuffer, signal), signal);
    if ('early' in sent) return sent.early;
    const ending = Buffer.concat([sent.unsent, Buffer.from(stuffer.end())]);
    const last = await this.#sendDot(ending, replyBy ?? Number.POSITIVE_INFINITY);
    this.#isBetweenCommands = true;
    this.#isOver = true;
    return last;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    clearTimeout(this.#restTimer);
    this.#lease.end(this.#isBetweenCommands, this.#isOver);
    this.#ended.abort(RELEASED);
  }

  #restSoon(): void {
    if (this.#isReleased) return;
    this.#restTimer = setTimeout(() => {
      if (this.#isReleased || !this.#isBetweenCommands) return;
      // One that died meanwhile is dropped here, and is no reopening later.
      this.#isResting = true;
      this.#rests++;
      this.#lease.end(true);
    }, this.#parts.restMs);
  }

  /** Says a command; on a dead connection once more, on a new one, where that is allowed. */
  async #command(line: Line, signal: AbortSignal, next?: Recipient): Promise<HopReply> {
    if (this.#isReleased) throw new HopLost(false, `${this.host}: released before`);
    clearTimeout(this.#restTimer);
    if (this.#isResting) await this.#wake(AbortSignal.any([signal, AbortSignal.timeout(this.#parts.timeouts.openMs)]));
    const reply = await this.#saySafely(line, signal, next);
    if (this.#isBetweenCommands) this.#restSoon();
    else if (reply.code === 421) this.#lease.end(false); // Its client may stay for long.
    return reply;
  }

  async #saySafely(line: Line, signal: AbortSignal, next?: Recipient): Promise<HopReply> {
    const isData = line(this.#lease.session.capabilities) === 'DATA';
    const first = await this.#say(line, signal, next);
    const isGone =
      first instanceof WireFailed ? first.kind === 'closed' : first.code === 421 && this.#mayBeStale(isData);
    if (!isGone || this.#isReleased || this.#reopens >= REOPENS_MAX) return this.#valueOf(first);
    if (first instanceof WireFailed && !this.#mayBeStale(isData)) this.#parts.onLost(this.#lease, first);
    this.#reopens++;
    await this.#restore(signal, { fresh: true });
    return this.#valueOf(await this.#say(line, signal, next));
  }

  /** Has this connection been idle, so that its end says nothing about the host? */
  #mayBeStale(isData: boolean): boolean {
    return this.#lease.isReused || isData;
  }

  /** `next`: whose RCPT follows in any case; a server that allows it hears both in one packet. */
  async #say(line: Line, signal: AbortSignal, next?: Recipient): Promise<HopReply | WireFailed> {
    const { wire, capabilities } = this.#lease.session;
    const text = line(capabilities);
    if (text.startsWith('MAIL')) this.#isUtf8 = text.endsWith(' SMTPUTF8');
    const ahead = next === undefined || !capabilities.pipelining ? null : rcptCommand(next, this.#isUtf8);
    const options = { ms: this.#parts.timeouts.commandMs, signal };
    this.#isBetweenCommands = false;
    try {
      const parsed = await wire.command(text, options, ahead);
      const reply = hopReply(parsed);
      // 3yz belongs to DATA alone, and a 2yz to DATA must never look as if the message had been taken.
      const isFitting = text === 'DATA' ? reply.code === 354 || reply.code >= 400 : isGood(reply) || reply.code >= 400;
      if (!isFitting) wire.destroy(`answered ${text.slice(0, 4)} with ${reply.code}`);
      else if (reply.code === 421)
        wire.destroy('said 421'); // RFC 5321 3.8: it closes now.
      else {
        // Refused: what was said behind it is refused too, and nobody will ask how.
        if (!isGood(reply)) await wire.forgetAhead();
        this.#isBetweenCommands = wire.isInStep;
      }
      return isFitting ? reply : new WireFailed('garbled', `answered ${text.slice(0, 4)} with ${reply.code}`);
    } catch (error) {
      if (error instanceof WireFailed) return error;
      throw error;
    }
  }

  #valueOf(said: HopReply | WireFailed): HopReply {
    if (!(said instanceof WireFailed)) return said;
    throw this.#lost(false, said);
  }

  #lost(afterDot: boolean, failure: WireFailed): HopLost {
    // What the caller ended is no fault of the host.
    if (failure.kind !== 'aborted' && !this.#isReleased) this.#parts.onLost(this.#lease, failure);
    this.#lease.end(false);
    return new HopLost(afterDot, `${this.host}: ${failure.message}`);
  }

  /** After a rest. A kept connection may have died without our knowing, which a new one shows. */
  async #wake(signal: AbortSignal): Promise<void> {
    if (await this.#restore(signal, { fresh: false })) return;
    this.#reopens++;
    await this.#restore(signal, { fresh: true });
  }

  /**
   * Another connection with the same transaction on it. What was accepted has to be accepted again. False where it was
   * a kept one that turned out to be closed. MAIL and RCPT come without a signal: `take` has a deadline of its own.
   */
  async #restore(signal: AbortSignal, how: { fresh: boolean }): Promise<boolean> {
    const before = this.capabilities;
    this.#lease.end(false);
    this.#lease = await this.#parts.take(AbortSignal.any([signal, this.#ended.signal]), how);
    this.#isResting = false;
    this.#isBetweenCommands = true;
    if (this.#isReleased) {
      this.#lease.end(true);
      throw new HopLost(false, `${this.host}: released meanwhile`);
    }
    if (isLess(this.capabilities, before)) {
      throw new MailError('unknownError', `${this.host}: can do less than the host before it`);
    }
    if (this.#mail !== null && !(await this.#repeat('the sender', this.#mail, signal))) return false;
    // Only those that were accepted: our client was told that the others were not.
    for (const recipient of this.#accepted) {
      if (!(await this.#repeat('a recipient', () => rcptCommand(recipient, this.#isUtf8), signal))) return false;
    }
    return true;
  }

  /** False where a kept connection is dead. */
  async #repeat(whom: string, line: Line, signal: AbortSignal): Promise<boolean> {
    const said = await this.#say(line, signal);
    const isClosed = said instanceof WireFailed ? said.kind === 'closed' : said.code === 421;
    if (isClosed && this.#lease.isReused && !this.#isReleased) return false;
    const reply = this.#valueOf(said);
    if (isGood(reply)) return true;
    // One reply stands for all recipients now, so it has to be temporary: the client comes again and is told at RCPT.
    throw new MailError(
      'unknownError',
      `${this.host}: accepted ${whom} before and now says ${reply.code} ${reply.text}`,
    );
  }

  /**
   * What is to go out with the dot: the whole message where it is small, else nothing. `early` is the reply of a server that
   * refused in the middle. Nothing was passed on until here.
   */
  async #sendBody(
    pieces: AsyncGenerator<Uint8Array, void>,
    signal: AbortSignal,
  ): Promise<{ unsent: Uint8Array } | { early: HopReply }> {
    const { wire } = this.#lease.session;
    const { blockMs } = this.#parts.timeouts;
    wire.expectReply();
    let isFirst = true;
    try {
      let unsent: Uint8Array = new Uint8Array();
      for await (const piece of pieces) {
        if (isFirst && piece.length < PIECE_MIN) unsent = piece;
        else await wire.write(piece, { ms: blockMs, signal });
        isFirst = false;
        if (wire.hasReply) return { early: await this.#earlyReply() };
      }
      if (signal.aborted) throw signal.reason;
      return { unsent };
    } catch (error) {
      if (wire.hasReply) return { early: await this.#earlyReply() };
      wire.destroy('the message ended before its end');
      if (error instanceof WireFailed) throw this.#lost(false, error);
      this.#lease.end(false);
      if (error instanceof MailError) throw error;
      const why = signal.aborted ? 'the deadline passed' : 'the source of the message failed';
      throw new HopLost(false, `${this.host}: ${why} before the dot, nothing was passed on`, { cause: error });
    }
  }

  async #earlyReply(): Promise<HopReply> {
    const { wire } = this.#lease.session;
    const reply = hopReply(await wire.reply('the message', { ms: 1000 }));
    wire.destroy('replied before the dot');
    if (reply.code >= 400) return reply;
    throw this.#lost(false, new WireFailed('garbled', `said ${reply.code} before the dot`));
  }

  async #sendDot(ending: Uint8Array, replyBy: number): Promise<HopReply> {
    await failpoint('hop.dot');
    const { wire } = this.#lease.session;
    const ms = Math.max(1, Math.min(this.#parts.timeouts.afterDotMs, replyBy - Date.now()));
    if (wire.hasReply) return this.#earlyReply();
    if (wire.failure !== null) throw this.#lost(false, wire.failure);
    try {
      // Of a large message the bytes before are with the kernel (wire.write waits): until here it cannot have been taken.
      wire.write(ending, { ms }).catch(() => undefined); // Its failure is the reply's failure.
      const parsed = await wire.reply('the dot', { ms });
      await failpoint('hop.answer');
      const reply = hopReply(parsed);
      // Yes and no in one packet: one of the two is of another command, and nobody knows which.
      if (wire.unasked !== null && wire.unasked !== 421 && isGood(reply) !== isGood({ code: wire.unasked })) {
        throw new WireFailed('garbled', `answered the dot with ${reply.code} and ${wire.unasked}`);
      }
      if (reply.code < 300 || reply.code >= 400) {
        if (reply.code === 421) wire.destroy('said 421');
        return reply;
      }
      throw new WireFailed('garbled', `answered the dot with ${reply.code}`);
    } catch (error) {
      wire.destroy('not answered after the dot');
      // Whatever went wrong: the dot was sent, and nobody knows here what became of the message.
      throw this.#lost(true, error instanceof WireFailed ? error : new WireFailed('garbled', errorText(error)));
    }
  }
}

/** What our client was promised by the first host's capabilities may be more than this one holds. */
function isLess(now: HopCapabilities, before: HopCapabilities): boolean {
  const size = (capabilities: HopCapabilities) => capabilities.sizeBytes ?? Number.POSITIVE_INFINITY;
  return size(now) < size(before) || (before.eightBitMime && !now.eightBitMime) || (before.smtpUtf8 && !now.smtpUtf8);
}
