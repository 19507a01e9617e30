// One address that Postern listens on: smtp-server with our connections, its limits, and the certificate.

import { SMTPServer } from 'smtp-server';
import { HopLost } from '../../mail/error.ts';
import { REPLIES, type Reply, replyText } from '../../mail/reply.ts';
import type { Direction } from '../../mail/session.ts';
import { pause } from '../../platform/deadline.ts';
import { failpoint } from '../../platform/failpoint.ts';
import { errorText } from '../../platform/log.ts';
import { canonicalAddress, inNetworks, peerAddress } from '../../platform/network.ts';
import type { Crowded, GatewayPorts, GatewayRules } from '../gateway.ts';
import { Connection } from './connection.ts';
import type { Home } from './home.ts';
import type { Guest, Lack } from './room.ts';

export interface ListenerOptions {
  readonly name: string;
  /** '127.0.0.1' or '::'. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** A trusted listener takes outgoing mail, and only from `networks`. */
  readonly trusted: boolean;
  readonly networks: readonly string[];
  /** PEM; null offers no STARTTLS. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** Ends the greeting, for our own next hops to know us by; none unless told. */
  readonly greetingWord?: string;
}

/** DUTIES: joke verbs of the library, and what an MX does not offer. */
const DISABLED = ['AUTH', 'WIZ', 'SHELL', 'KILL', 'HELP', 'XCLIENT', 'XFORWARD'];
const SWEEP_MS = 1000;
/** Connections that wait to be accepted: what a flood brings within one turn of ours. The system may allow fewer. */
const BACKLOG = 4096;
const SEND_AWAY_EVERY_MS = 200;
/** For the end of what was cut off, and for writing it down. */
const CUT_OFF_MS = 2000;

export class Listener extends SMTPServer implements Home {
  readonly name: string;
  readonly direction: Direction;
  ports: GatewayPorts;
  rules: GatewayRules;
  readonly #options: ListenerOptions;
  /** What to call when a connection's socket has closed. */
  readonly #leave = new Map<Connection, () => void>();
  readonly #sweep: NodeJS.Timeout;
  /** Work that outlives its connection: what the books still wait for when we stop. */
  readonly #unfinished = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();

  constructor(options: ListenerOptions, ports: GatewayPorts, rules: GatewayRules) {
    super({
      name: rules.guard.hostname,
      logger: false,
      banner: options.greetingWord ?? '',
      disabledCommands: [...DISABLED, ...(options.tls === null ? ['STARTTLS'] : [])],
      hideENHANCEDSTATUSCODES: false,
      ...(options.tls === null ? {} : { cert: options.tls.certificate, key: options.tls.key, minVersion: 'TLSv1.2' }),
      // The library's timeout is of idleness; the absolute ones are ours (checkDeadlines).
      socketTimeout: rules.commandMs + 1000,
      closeTimeout: 5000,
      resolver: { reverse: (address, answer) => this.#reverse(address, answer) },
    });
    this.#options = options;
    this.name = options.name;
    this.direction = options.trusted ? 'outgoing' : 'incoming';
    this.ports = ports;
    this.rules = rules;
    // A socket may fail before smtp-server looks at it, a turn after it was accepted: unheard, that would end the process.
    this.server.prependListener('connection', socket => void socket.on('error', () => undefined));
    this.on('error', error => ports.log.warn({ listener: options.name, error: errorText(error) }, 'listener'));
    this.#sweep = setInterval(() => this.#checkDeadlines(), SWEEP_MS);
    this.#sweep.unref();
  }

  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Resolves with the port when it listens; rejects when the address cannot be had. */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.listen({ host, port, backlog: BACKLOG }, () => {
        this.server.off('error', reject);
        resolve();
      });
    }).catch(error => {
      clearInterval(this.#sweep);
      throw error;
    });
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** New connections see the new ports, rules and certificate; open ones keep theirs to the end of a transaction. */
  renew(ports: GatewayPorts, rules: GatewayRules, tls: ListenerOptions['tls']): void {
    this.ports = ports;
    this.rules = rules;
    if (tls !== null) this.updateSecureContext({ cert: tls.certificate, key: tls.key });
  }

  /** Stops listening, sends idle clients away, waits for transactions at most `ms`, and cuts off what is left then. */
  async stop(ms: number): Promise<void> {
    clearInterval(this.#sweep);
    this.options.closeTimeout = ms;
    const closed = new Promise<void>(resolve => this.close(() => resolve()));
    this.#sendIdleAway();
    // Also those that become idle: a client could go on with messages for as long as we wait.
    const away = setInterval(() => this.#sendIdleAway(), SEND_AWAY_EVERY_MS);
    await closed;
    clearInterval(away);
    // Who was told to go and has not gone. A socket's close event comes after the server's, and ends what was begun.
    const left = this.#leave.size === 0 ? null : new Promise<void>(resolve => this.once('left', resolve));
    for (const connection of this.#leave.keys()) connection.cutOff();
    if (left !== null) await within(CUT_OFF_MS, left);
    // Their clients are gone: what comes in or is scanned ends now.
    await within(CUT_OFF_MS, Promise.allSettled(this.#unfinished));
    // What still waits for a next hop that is silent after the dot would hold us for minutes: its sender tries again.
    this.#ending.abort(new HopLost(true, 'stopped before the next hop had answered'));
    await within(CUT_OFF_MS, Promise.allSettled(this.#unfinished));
  }

  #sendIdleAway(): void {
    for (const connection of this.connections) {
      if (connection instanceof Connection && connection.isIdle) connection.send(421, goodbye(), false);
    }
  }

  /** Keeps `stop` waiting for this work, which has handled its own errors. */
  finish(work: Promise<unknown>): void {
    this.#unfinished.add(work);
    work.finally(() => this.#unfinished.delete(work));
  }

  override connect(socket: Connection['_socket'], options?: { id?: string } | null): void {
    // Gone already, its close event with it: nothing would ever free its place.
    if (socket.destroyed) return;
    const address = peerAddress(socket.remoteAddress);
    if (this.#options.trusted && !inNetworks(address, this.#options.networks)) {
      this.ports.turnedAway('not trusted', address);
      return turnAway(socket, REPLIES.notTrusted);
    }
    const leave = this.#enter(address);
    if (typeof leave === 'string') {
      this.ports.turnedAway(leave === 'reserved' ? 'full' : leave, address);
      return turnAway(socket, REPLIES.tooManyConnections);
    }
    const connection = new Connection(this, socket, options ?? {});
    this.connections.add(connection);
    this.#leave.set(connection, this.#settle(connection, leave));
    connection.on('error', error =>
      this.ports.log.debug({ session: connection.id, error: errorText(error) }, 'connection'),
    );
    connection.init();
  }

  #enter(address: string): (() => void) | Crowded {
    const leave = this.ports.enter(address, this.direction);
    if (typeof leave !== 'string' || leave === 'address' || !this.#makeRoom(leave)) return leave;
    return this.ports.enter(address, this.direction);
  }

  /** Sends away who has kept us waiting longest, at whatever listener; false where nobody has. */
  #makeRoom(lack: Lack): boolean {
    const slow = this.ports.room.slowest(lack, this.rules.roomAfterMs, Date.now());
    if (slow === null) return false;
    this.ports.turnedAway('slow', slow.address);
    slow.giveWay();
    return true;
  }

  /** From now on others may ask it to go; what it returns is to be called when it has. */
  #settle(connection: Connection, leave: () => void): () => void {
    const { room } = this.ports;
    const guest: Guest = {
      direction: this.direction,
      address: connection.remoteAddress,
      waitedMs: now => connection.waitedMs(now),
      giveWay: () => {
        connection.dismiss();
        this.left(connection);
      },
    };
    room.enter(guest);
    return () => {
      room.leave(guest);
      leave();
    };
  }

  override onConnect(session: { remoteAddress: string }, callback: (error?: Error | null) => void): void {
    this.#allows(session.remoteAddress)
      .then(allowed => (allowed ? callback() : callback(refused(REPLIES.tooManyConnections))))
      .catch(error => {
        this.ports.log.error({ error: errorText(error) }, 'connection limit');
        callback();
      });
  }

  async #allows(address: string): Promise<boolean> {
    await failpoint('connect');
    const isAllowed = await this.ports.allows('connection', address, this.direction);
    if (!isAllowed) this.ports.turnedAway('rate', address);
    return isAllowed;
  }

  /** Called by a connection when its socket has closed. */
  left(connection: Connection): void {
    this.#leave.get(connection)?.();
    this.#leave.delete(connection);
    if (this.#leave.size === 0) this.emit('left');
  }

  /** Bytes: the smaller of our limit and the next hops'. */
  sizeOffer(): number {
    // Of outgoing mail most goes to the smarthost, whatever our own servers take; a hop's own refusal is passed on.
    const theirs = this.direction === 'incoming' ? (this.ports.hopCapabilities('incoming')?.sizeBytes ?? null) : null;
    return Math.min(this.rules.guard.messageBytes, theirs || Number.POSITIVE_INFINITY);
  }

  /** Only when every next hop is known to have it: there is no way down from SMTPUTF8 (RFC 6531 3.1). */
  offersSmtpUtf8(): boolean {
    return this.ports.hopCapabilities(this.direction)?.smtpUtf8 === true;
  }

  /** A client that is told no converts by itself; one whose mail we would have to convert loses its signatures. */
  offersEightBitMime(): boolean {
    return this.ports.hopCapabilities(this.direction)?.eightBitMime !== false;
  }

  #checkDeadlines(): void {
    const now = Date.now();
    for (const connection of this.connections) if (connection instanceof Connection) connection.checkDeadlines(now);
  }

  #reverse(address: string, answer: (error: Error | null, names: string[]) => void): void {
    if (canonicalAddress(address) === null) return answer(null, []);
    this.ports
      .nameOf(address)
      .then(name => answer(null, name === null ? [] : [name]))
      .catch(() => answer(null, []));
  }
}

/** Settles with `work`, or after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, pause(ms, done.signal).catch(() => undefined)]);
  done.abort();
}

/**
 * Before there is a session: one reply, and the end. Nothing is waited for: the sockets of a flood are in no table of ours
 * and would use up the files that we may have open.
 */
function turnAway(socket: Connection['_socket'], reply: Reply): void {
  socket.end(`${replyText(reply)}\r\n`, () => socket.destroy());
}

function refused(reply: Reply): Error {
  return Object.assign(new Error(`${reply.enhanced} ${reply.text}`), { responseCode: reply.code });
}

function goodbye(): string {
  return `${REPLIES.shuttingDown.enhanced} ${REPLIES.shuttingDown.text}`;
}
