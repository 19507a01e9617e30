// What a connection needs of the listener that accepted it. The listener is one; connection.ts asks.

import type { SMTPServer } from 'smtp-server';
import type { SMTPConnection } from 'smtp-server/lib/smtp-connection';
import type { Direction } from '../../mail/session.ts';
import type { GatewayPorts, GatewayRules } from '../gateway.ts';

export interface Home extends SMTPServer {
  readonly name: string;
  readonly direction: Direction;
  readonly ports: GatewayPorts;
  readonly rules: GatewayRules;
  /** Fires when we stop and wait no longer, with the reason: not even for a next hop's reply to the dot. */
  readonly ending: AbortSignal;
  /** Bytes, as EHLO says it. */
  sizeOffer(): number;
  offersSmtpUtf8(): boolean;
  offersEightBitMime(): boolean;
  /** Called when the socket has closed. */
  left(connection: SMTPConnection): void;
  /** Keeps a stop waiting for this work, which has handled its own errors. */
  finish(work: Promise<unknown>): void;
}
