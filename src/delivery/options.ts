// What a next hop can be told: one plain object, with the numbers used where nothing is said.

import type { Log } from '../platform/log.ts';

/**
 * none: never. may: used where offered, certificate not checked, in clear where the handshake fails. must: needed,
 * certificate not checked. verify: needed and checked. A unix socket is never encrypted.
 */
export type TlsMode = 'none' | 'may' | 'must' | 'verify';

/** Milliseconds. RFC 5321 4.5.3.2 is more patient, but our own client waits behind us. */
export interface HopTimeouts {
  /** From connecting to the reply to EHLO, TLS included: one host, as a whole. */
  readonly connectMs: number;
  /** For a connection, over all hosts and the waiting for a free one. */
  readonly openMs: number;
  /** For the whole reply to each command. */
  readonly commandMs: number;
  /** For the peer to take one piece of the message. */
  readonly blockMs: number;
  /** For the reply to the dot. */
  readonly afterDotMs: number;
}

export interface HopPool {
  /** Connections to one host; Postfix allows a client 50 (smtpd_client_connection_count_limit). */
  readonly maxConnections: number;
  /** Transactions on one connection before it is closed. */
  readonly maxMessages: number;
  readonly idleMs: number;
  /** How long an open may wait for a free connection. */
  readonly waitMs: number;
  /** After so long without a command, a transaction gives its connection back until it has something to say. */
  readonly restMs: number;
}

export interface NextHopOptions {
  /** As parseHost reads them, tried in this order; a maildir: stands alone. */
  readonly hosts: readonly string[];
  readonly tls: TlsMode;
  /** PEM of the authorities trusted by `verify`, in place of those that come with Node. */
  readonly ca?: string;
  /** What EHLO says: our own name, or an address literal. */
  readonly hostname: string;
  /** A word that our own listeners say in their greeting, and nobody else: a host that says it is this gateway. */
  readonly ownWord?: string;
  readonly timeouts?: Partial<HopTimeouts>;
  readonly pool?: Partial<HopPool>;
  readonly log: Log;
}

export const HOP_TIMEOUTS: HopTimeouts = {
  connectMs: 30_000,
  // A sender waits 5 minutes at RCPT (RFC 5321 4.5.3.2.3), and MAIL and RCPT are still to be said: twice commandMs.
  openMs: 150_000,
  commandMs: 60_000,
  blockMs: 180_000,
  afterDotMs: 300_000,
};
/** restMs: below waitMs, so that idle transactions keep nobody out; above the scan of most messages. */
export const HOP_POOL: HopPool = {
  maxConnections: 40,
  maxMessages: 100,
  idleMs: 30_000,
  waitMs: 10_000,
  restMs: 3000,
};

/** A host that failed is tried last for this long, doubled with each failure. */
export const BACK_OFF_MIN_MS = 30_000;
export const BACK_OFF_MAX_MS = 300_000;

/** Options with every number filled in: what the files of this folder pass around. */
export interface HopSettings {
  readonly tls: TlsMode;
  readonly ca?: string;
  readonly hostname: string;
  readonly ownWord?: string;
  readonly timeouts: HopTimeouts;
  readonly pool: HopPool;
  readonly log: Log;
}
