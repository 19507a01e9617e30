// A connection that has been greeted: EHLO (LHLO) said, TLS where wanted, ready for MAIL. Also what it can do.
// Called by the pool and by health checks. A failure here is the host's failure: the next one is tried.

import type { HopCapabilities, HopReply } from '../mail/ports.ts';

import { withoutNodeHints } from './advice.ts';
import type { ServerHost } from './host.ts';
import type { HopSettings } from './options.ts';
import { hopReply, type ParsedReply } from './reply-parser.ts';
import { connectWire, type Wire, WireFailed } from './wire.ts';

/** This host cannot be used now; its message says which and why. */
export class HostFailed extends Error {
  override readonly name = 'HostFailed';
  /** It greeted with our own word: mail would come back here, again and again. */
  readonly isOurself: boolean;

  constructor(message: string, isOurself = false) {
    super(message);
    this.isOurself = isOurself;
  }
}

export interface SessionCapabilities extends HopCapabilities {
  /** SIZE= may be said, also to a server that states no limit. */
  readonly offersSize: boolean;
  /** Several commands may be said in one packet (RFC 2920). */
  readonly pipelining: boolean;
}

export interface HopSession {
  readonly wire: Wire;
  /** The host's, and how the connection to it is encrypted: `smtp://10.0.0.5:25 (TLSv1.3)`. */
  readonly name: string;
  readonly capabilities: SessionCapabilities;
  /** The handshake failed, and this connection is in clear instead (mode `may`). */
  readonly isFallback: boolean;
}

interface Greeted {
  readonly isEsmtp: boolean;
  readonly keywords: ReadonlyMap<string, string>;
}

const NO_CAPABILITIES: SessionCapabilities = {
  sizeBytes: null,
  eightBitMime: false,
  smtpUtf8: false,
  offersSize: false,
  pipelining: false,
};

/** Connects and greets. `inClear`: do not try TLS although the mode is `may`. Throws HostFailed. */
export async function openSession(
  host: ServerHost,
  settings: HopSettings,
  { signal, inClear = false }: { signal: AbortSignal; inClear?: boolean },
): Promise<HopSession> {
  const opener = new Opener(host, settings, signal);
  try {
    const mayEncrypt = settings.tls !== 'none' && !inClear && 'host' in host.at;
    if (!mayEncrypt) return await opener.open(false);
    try {
      return await opener.open(true);
    } catch (error) {
      if (settings.tls !== 'may' || !(error instanceof WireFailed) || error.kind !== 'handshake') throw error;
      settings.log.info(
        { host: host.name, error: withoutNodeHints(error.message) },
        'next hop: TLS handshake failed, going on in clear',
      );
      return { ...(await opener.open(false)), isFallback: true };
    }
  } catch (error) {
    if (!(error instanceof WireFailed) && !(error instanceof HostFailed)) throw error;
    throw new HostFailed(
      `${host.name}: ${withoutNodeHints(error.message)}`,
      error instanceof HostFailed && error.isOurself,
    );
  }
}

class Opener {
  /** Of `performance.now()`: connectMs are for all steps together, also for the second connection in clear. */
  readonly #until: number;
  readonly #host: ServerHost;
  readonly #settings: HopSettings;
  readonly #signal: AbortSignal;

  constructor(host: ServerHost, settings: HopSettings, signal: AbortSignal) {
    this.#host = host;
    this.#settings = settings;
    this.#signal = signal;
    this.#until = performance.now() + settings.timeouts.connectMs;
  }

  async open(withTls: boolean): Promise<HopSession> {
    if (this.#signal.aborted) throw new WireFailed('aborted', 'given up before connecting');
    const wire = await connectWire(this.#host, { ms: this.#left(), signal: this.#signal });
    try {
      wire.expectReply();
      const greeting = await wire.reply('connecting', { ms: this.#left(), signal: this.#signal });
      // RFC 5321 4.3.1: 554 (no service) and 421 are the host's refusal; nobody else's mail has been named yet.
      if (greeting.code !== 220) throw new HostFailed(`greeted with ${said(greeting)}`);
      // Before anything is asked of it: each RCPT would open one connection more to ourselves, until none is left.
      if (isOwn(greeting, this.#settings.ownWord)) throw new HostFailed('leads back to this gateway itself', true);
      let greeted = await this.#hello(wire);
      if (withTls && (await this.#encrypt(wire, greeted))) {
        // RFC 3207 4.2: all that was learned in clear is forgotten.
        greeted = await this.#hello(wire);
      }
      const { name } = this.#host;
      const secured = wire.tls === null ? name : `${name} (${wire.tls})`;
      return { wire, name: secured, capabilities: capabilitiesOf(greeted), isFallback: false };
    } catch (error) {
      wire.destroy('not usable');
      throw error;
    }
  }

  async #hello(wire: Wire): Promise<Greeted> {
    const verb = this.#host.kind === 'lmtp' ? 'LHLO' : 'EHLO';
    const reply = await this.#ask(wire, `${verb} ${this.#settings.hostname}`);
    if (isGood(reply)) return { isEsmtp: true, keywords: keywordsOf(reply) };
    // RFC 5321 4.1.4: a 5yz to EHLO asks for HELO; LMTP has no older form.
    if (verb === 'LHLO' || reply.code < 500) throw new HostFailed(`answered ${verb} with ${said(reply)}`);
    const older = await this.#ask(wire, `HELO ${this.#settings.hostname}`);
    if (!isGood(older)) throw new HostFailed(`answered HELO with ${said(older)}`);
    return { isEsmtp: false, keywords: new Map() };
  }

  /** True when the connection is encrypted now. */
  async #encrypt(wire: Wire, { keywords }: Greeted): Promise<boolean> {
    const { tls, ca } = this.#settings;
    const isNeeded = tls !== 'may';
    if (!keywords.has('STARTTLS')) {
      if (isNeeded) throw new HostFailed('offers no STARTTLS, which the settings ask for');
      return false;
    }
    const reply = await this.#ask(wire, 'STARTTLS');
    if (reply.code !== 220) {
      if (isNeeded || reply.code === 421) throw new HostFailed(`answered STARTTLS with ${said(reply)}`);
      return false;
    }
    const host = 'host' in this.#host.at ? this.#host.at.host : '';
    const options = { host, isVerified: tls === 'verify', ...(ca === undefined ? {} : { ca }) };
    // Where a handshake that hangs is no end, half of the time is kept for going on in clear.
    const ms = isNeeded ? this.#left() : this.#left() / 2;
    await wire.startTls(options, { ms, signal: this.#signal });
    return true;
  }

  #ask(wire: Wire, line: string): Promise<ParsedReply> {
    return wire.command(line, { ms: this.#left(), signal: this.#signal });
  }

  #left(): number {
    return Math.max(1, Math.round(this.#until - performance.now()));
  }
}

/** A host that repeats our word to harm us harms its own mail alone: it is the one that was to get it. */
function isOwn({ rawLines }: ParsedReply, ownWord: string | undefined): boolean {
  return ownWord !== undefined && rawLines.some(rawLine => rawLine.split(/[ \t]+/).includes(ownWord));
}

/**
 * Each line after the first is a keyword and its parameters (RFC 5321 4.1.1.1). In ASCII alone, before anything is put
 * into capitals or trimmed as JavaScript does it: an "ſ" becomes an S there, and a no-break space a blank.
 */
function keywordsOf({ rawLines }: ParsedReply): Map<string, string> {
  const keywords = new Map<string, string>();
  for (const rawLine of rawLines.slice(1)) {
    const [keyword = '', ...parameters] = rawLine.split(/[ \t=]+/).filter(word => word !== '');
    if (/^[A-Za-z0-9-]+$/.test(keyword)) keywords.set(keyword.toUpperCase(), parameters.join(' '));
  }
  return keywords;
}

function capabilitiesOf({ isEsmtp, keywords }: Greeted): SessionCapabilities {
  if (!isEsmtp) return NO_CAPABILITIES;
  const rawSize = keywords.get('SIZE') ?? '';
  // RFC 1870 section 4: 0 is "no fixed maximum"; what is no number of 15 digits states nothing.
  const size = /^[0-9]{1,15}$/.test(rawSize) ? Number(rawSize) : 0;
  return {
    sizeBytes: size === 0 ? null : size,
    eightBitMime: keywords.has('8BITMIME'),
    smtpUtf8: keywords.has('SMTPUTF8'),
    offersSize: keywords.has('SIZE'),
    pipelining: keywords.has('PIPELINING'),
  };
}

export function isGood({ code }: Pick<HopReply, 'code'>): boolean {
  return code >= 200 && code < 300;
}

/** A reply for the log: `554 no service here`. */
function said(parsed: ParsedReply): string {
  const { code, enhanced, text } = hopReply(parsed);
  return [code, enhanced, text].filter(Boolean).join(' ').slice(0, 200);
}
