// One connection to another server, in lines and replies. Knows sockets, TLS and deadlines, and nothing of mail.
// Once anything went wrong the socket is destroyed and every later call throws the same WireFailed: a connection whose
// state is not known is never used again. Called by hop-session.ts.

import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

import { DeadlinePassed, withDeadline } from '../platform/deadline.ts';

import type { ServerHost } from './host.ts';
import { GarbledReply, type ParsedReply, ReplyParser } from './reply-parser.ts';

/**
 * closed: the peer went away, or said goodbye. silent: a limit passed. garbled: what came is no SMTP. aborted: the
 * caller's signal. handshake: TLS could not be agreed on.
 */
export type WireFailure = 'closed' | 'silent' | 'garbled' | 'aborted' | 'handshake';

export class WireFailed extends Error {
  override readonly name = 'WireFailed';
  readonly kind: WireFailure;

  constructor(kind: WireFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface TlsOptions {
  /** Checked against the certificate where `isVerified`. */
  readonly host: string;
  readonly isVerified: boolean;
  /** PEM of the authorities trusted; the system's own where absent. */
  readonly ca?: string;
}

export interface WireOptions {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiter {
  readonly resolve: (reply: ParsedReply) => void;
  readonly reject: (error: WireFailed) => void;
}

/** Before the next address of a host is tried: Node's 250 ms is too short for a far server under load. */
const ADDRESS_ATTEMPT_MS = 5000;
/** A silent peer is noticed by the kernel while nobody talks (messages being scanned). */
const KEEP_ALIVE_MS = 30_000;
/** For a reply that nobody wants: longer than it takes, short enough for a client that waits to be told its refusal. */
const FORGET_MS = 1000;
/** How long QUIT may take: nobody waits for it. */
const QUIT_MS = 2000;

/** Connects; throws WireFailed. */
export async function connectWire(host: ServerHost, options: WireOptions): Promise<Wire> {
  const socket = connect({ ...host.at, autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS });
  const wire = new Wire(socket);
  await wire.connected(options);
  return wire;
}

export class Wire {
  #socket: Socket;
  #parser = new ReplyParser();
  /** Replies that were asked for and have not been fetched yet. */
  #ready: ParsedReply[] = [];
  #asked = 0;
  /** Said together with the command before it; its reply is waited for when it is asked for. */
  #ahead: string | null = null;
  #isResetDue = false;
  #waiter: Waiter | null = null;
  #failure: WireFailed | null = null;
  #unasked: number | null = null;
  #isShakingHands = false;
  #detach: () => void;
  #onReply: () => void = () => undefined;
  #onFailure: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#detach = this.#attach(socket);
  }

  get failure(): WireFailed | null {
    return this.#failure;
  }

  /** `TLSv1.3`; null in clear. */
  get tls(): string | null {
    return this.#socket instanceof TLSSocket ? this.#socket.getProtocol() : null;
  }

  /** A reply that was asked for is there. */
  get hasReply(): boolean {
    return this.#ready.length > 0;
  }

  /** Code of the reply that nobody had asked for and that ended the connection: one too many. */
  get unasked(): number | null {
    return this.#unasked;
  }

  /** Called once when the connection fails or closes, also while nobody waits. */
  onFailure(listener: () => void): void {
    this.#onFailure = listener;
  }

  async connected({ ms, signal }: WireOptions): Promise<void> {
    const socket = this.#socket;
    await this.#within(ms, 'connecting', signal, () => {
      return new Promise((resolve, reject) => {
        socket.once('connect', resolve);
        this.#waiter = { resolve: () => undefined, reject };
      });
    });
    this.#waiter = null;
  }

  /** From now on one more reply is expected; one that was not asked for breaks the connection. */
  expectReply(): void {
    this.#asked++;
  }

  /** Everything said has been answered, and every answer fetched. */
  get isInStep(): boolean {
    return this.#asked === 0 && this.#ahead === null && this.#ready.length === 0;
  }

  /**
   * Writes one line and reads the reply to it. `ahead` is the line that will be said next: it goes out in the same packet
   * (RFC 2920, only to a server that offers PIPELINING), and saying it then only waits. Neither may have a line end in it.
   */
  async command(line: string, options: WireOptions, ahead: string | null = null): Promise<ParsedReply> {
    const what = line.slice(0, 4);
    if (this.#ahead !== null) {
      if (this.#ahead !== line) throw new TypeError(`${what} was said where another line had been announced`);
      this.#ahead = null;
      // It may be there, and the connection closed since: the answer counts.
      return this.reply(what, options);
    }
    if (this.#failure !== null) throw this.#failure;
    const isReset = this.#isResetDue;
    this.#isResetDue = false;
    this.#ahead = ahead;
    const lines = [...(isReset ? ['RSET'] : []), line, ...(ahead === null ? [] : [ahead])];
    if (lines.some(one => /[\r\n\0]/.test(one))) throw new TypeError('a command has a line end in it');
    for (const _ of lines) this.expectReply();
    this.#socket.write(lines.map(one => `${one}\r\n`).join(''));
    if (isReset) await this.#wasReset(options);
    return this.reply(what, options);
  }

  /** Nobody will ask for the reply to the line announced. Where it does not come soon the connection ends. Never rejects. */
  async forgetAhead(): Promise<void> {
    if (this.#ahead === null) return;
    this.#ahead = null;
    await this.reply('what was announced', { ms: FORGET_MS }).catch(() => undefined);
  }

  /** RSET goes out in front of the next command, in the same packet: only to a server that offers PIPELINING. */
  resetWithNext(): void {
    this.#isResetDue = true;
  }

  /**
   * A connection that was idle may be dead, or out of step: then it counts as closed, and another one takes its place. The
   * reply may come with those to the commands behind it, for servers hold replies too (RFC 2920 3.2): it has as long as they.
   */
  async #wasReset({ ms, signal }: WireOptions): Promise<void> {
    try {
      const { code } = await this.#within(ms, 'reply to RSET', signal, () => this.#nextReply());
      if (code !== 250) throw this.#fail('closed', `answered RSET with ${code}`);
    } catch (error) {
      if (error instanceof WireFailed && error.kind !== 'aborted') throw new WireFailed('closed', error.message);
      throw error;
    }
  }

  /** The next reply, from here within `ms` as a whole, however slowly it drips. */
  async reply(to: string, { ms, signal }: WireOptions): Promise<ParsedReply> {
    return this.#within(ms, `reply to ${to}`, signal, () => this.#nextReply());
  }

  #nextReply(): Promise<ParsedReply> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** Resolves when the kernel has the bytes, so that memory stays flat, or when a reply came before that. */
  async write(bytes: Uint8Array | string, { ms, signal }: WireOptions): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    await this.#within(ms, 'writing the message', signal, () => {
      return new Promise<void>((resolve, reject) => {
        this.#onReply = resolve;
        this.#socket.write(bytes, error => (error ? reject(error) : resolve()));
      });
    });
    this.#onReply = () => undefined;
  }

  /** Encrypts, right after the reply that allows it. */
  async startTls(tls: TlsOptions, { ms, signal }: WireOptions): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    // What was said in clear behind that reply would count as said under TLS (CVE-2011-0411, NO STARTTLS 2021).
    if (!this.#parser.isEmpty || this.hasReply) throw this.#fail('garbled', 'spoke in clear behind its STARTTLS reply');
    const plain = this.#socket;
    this.#detach();
    plain.on('error', () => undefined);
    const secure = connectTls({
      socket: plain,
      host: tls.host,
      ...(isIP(tls.host) === 0 ? { servername: tls.host } : {}),
      rejectUnauthorized: tls.isVerified,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    });
    this.#socket = secure;
    this.#isShakingHands = true;
    this.#detach = this.#attach(secure);
    await this.#within(ms, 'TLS handshake', signal, () => {
      return new Promise((resolve, reject) => {
        secure.once('secureConnect', () => resolve(undefined));
        this.#waiter = { resolve: () => undefined, reject };
      });
    });
    this.#isShakingHands = false;
    this.#waiter = null;
  }

  /** Says QUIT and closes, without being waited for; resolves when the socket is gone. */
  async quit(): Promise<void> {
    if (this.#failure !== null) return;
    this.#onFailure = () => undefined;
    this.#isResetDue = false;
    await this.command('QUIT', { ms: QUIT_MS }).catch(() => undefined);
    this.destroy('we closed it');
  }

  destroy(why: string): void {
    this.#fail('closed', why);
  }

  #attach(socket: Socket): () => void {
    const listeners = {
      data: (bytes: Uint8Array) => this.#receive(bytes),
      error: (error: Error) => this.#fail('closed', error.message),
      end: () => this.#fail('closed', 'closed by the other side'),
      close: () => this.#fail('closed', 'closed'),
    };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    return () => {
      for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
    };
  }

  #receive(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    try {
      for (const reply of this.#parser.push(bytes)) this.#take(reply);
    } catch (error) {
      if (!(error instanceof GarbledReply)) throw error;
      this.#fail('garbled', error.message);
    }
  }

  #take(reply: ParsedReply): void {
    if (this.#asked === 0) {
      // RFC 5321 3.8: 421 may come at any time; anything else that nobody asked for would answer the wrong command.
      const kind = reply.code === 421 ? 'closed' : 'garbled';
      this.#unasked = reply.code;
      this.#fail(kind, `said ${reply.code} unasked`);
      return;
    }
    this.#asked--;
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null) return waiter.resolve(reply);
    this.#ready.push(reply);
    this.#onReply();
  }

  async #within<T>(ms: number, what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await withDeadline(ms, what, work, signal);
    } catch (error) {
      if (error instanceof WireFailed) throw error;
      if (signal?.aborted === true) throw this.#fail('aborted', `${what}: given up`);
      if (error instanceof DeadlinePassed) throw this.#fail('silent', error.message);
      throw this.#fail('closed', `${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** The first failure is the one that counts. */
  #fail(kind: WireFailure, message: string): WireFailed {
    if (this.#failure !== null) return this.#failure;
    const isHandshake = this.#isShakingHands && kind !== 'aborted';
    this.#failure = new WireFailed(isHandshake ? 'handshake' : kind, message);
    const waiter = this.#waiter;
    this.#waiter = null;
    this.#socket.destroy();
    waiter?.reject(this.#failure);
    this.#onFailure();
    return this.#failure;
  }
}
