// What the gateway needs from the rest of Postern, and the choices it works by. main.ts fills both in; a reload puts
// new ones in their place for the connections that come after it.

import type { State } from '../mail/disposition.ts';
import type { Report } from '../mail/finding.ts';
import type {
  Content,
  HopCapabilities,
  Ledger,
  Quarantine,
  ReleaseMarks,
  Router,
  ScanService,
  Spool,
} from '../mail/ports.ts';
import type { Direction } from '../mail/session.ts';
import type { Log } from '../platform/log.ts';
import type { IntakeLimits } from './intake/intake.ts';
import type { GuardLimits } from './intake/line-guard.ts';
import type { Lack, Room } from './smtp/room.ts';

export interface GatewayPorts {
  readonly route: Router;
  readonly spool: Pick<Spool, 'create'>;
  readonly scan: Pick<ScanService, 'notReady' | 'scan'>;
  readonly quarantine: Pick<Quarantine, 'hold'>;
  readonly ledger: Ledger;
  readonly marks: ReleaseMarks;
  /** The content with `stamp` on top and without forged headers of our names (I2). */
  deliverable(content: Content, stamp: string): AsyncIterable<Uint8Array>;
  /** What all next hops of this direction can do together; null while none is known. */
  hopCapabilities(direction: Direction): HopCapabilities | null;
  /** Who has the places that `enter` counts, of all listeners. */
  readonly room: Room;
  /** Counts a connection: the function to call when it has closed, or why there are too many. */
  enter(clientAddress: string, direction: Direction): (() => void) | Crowded;
  /** May this address send one more message, or open one more connection? By rate; true where nobody can say. */
  allows(what: 'connection' | 'message', clientAddress: string, direction: Direction): Promise<boolean>;
  /** Confirmed name of a client's address, null where it has none. */
  nameOf(clientAddress: string): Promise<string | null>;
  /** One message more in the metrics. */
  counted(message: Counted): void;
  /** What became of each recipient of a transaction, also of one that ended without a message. */
  countedRecipients(states: readonly State[]): void;
  /** One connection more that was refused, or cut off to make room. */
  turnedAway(reason: TurnedAway, clientAddress: string): void;
  readonly log: Log;
}

/** Too many of this client, or of all. */
export type Crowded = 'address' | Lack;

/** `slow` had its place, and kept us waiting longest when all were taken. */
export type TurnedAway = Exclude<Crowded, 'reserved'> | 'rate' | 'not trusted' | 'slow';

/** What the metrics hear of a message. */
export interface Counted {
  /** The verdict's outcome; where there was none, `refused`, `abandoned`, or `failed` for trouble of ours. */
  readonly outcome: string;
  readonly state: string;
  readonly bytes: number;
  readonly report: Report | null;
  /** Milliseconds by step. */
  readonly ms: Readonly<Record<string, number>>;
}

export interface GatewayRules {
  readonly guard: GuardLimits;
  readonly intake: IntakeLimits;
  /** Of RCPT commands in one transaction; RFC 5321 4.5.3.1.8 asks for at least 100. */
  readonly recipients: number;
  /** Messages in one connection, then 421. */
  readonly messagesPerConnection: number;
  /** From the dot to the verdict, milliseconds. */
  readonly scanMs: number;
  /** From the client's dot to our reply, whatever is slow in between, milliseconds. */
  readonly replyMs: number;
  /** Before the greeting: who talks meanwhile is no mail server. Milliseconds. */
  readonly greetMs: number;
  /** For one command line, from the reply before it; RFC 5321 4.5.3.2.7 asks for 5 minutes. Milliseconds. */
  readonly commandMs: number;
  /** A connection's whole life, milliseconds. */
  readonly connectionMs: number;
  /** Who has kept us waiting for so long may lose its place when all are taken, milliseconds. */
  readonly roomAfterMs: number;
  /** Does the client hear the next hop's own words? */
  readonly passHopText: boolean;
}
