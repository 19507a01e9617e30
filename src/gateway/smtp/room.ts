// The places of all listeners that share one limit: who has to go when they are taken and somebody new comes. The listener
// asks; it finds nobody where sending somebody away would help nobody.

import type { Direction } from '../../mail/session.ts';
import { Crowd, type Waited } from './crowd.ts';

/** A connection as it is seen here. */
export interface Guest extends Waited {
  readonly direction: Direction;
  readonly address: string;
  /** Sends it away; its place is free at once. */
  giveWay(): void;
}

/** `full`: no place is left. `reserved`: none but those that only trusted clients may have. */
export type Lack = 'full' | 'reserved';

export class Room {
  readonly #guests: Readonly<Record<Direction, Set<Guest>>> = { incoming: new Set(), outgoing: new Set() };
  readonly #crowds: Readonly<Record<Direction, Crowd<Guest>>> = { incoming: new Crowd(), outgoing: new Crowd() };

  enter(guest: Guest): void {
    this.#guests[guest.direction].add(guest);
  }

  leave(guest: Guest): void {
    this.#guests[guest.direction].delete(guest);
  }

  /**
   * Who has kept us waiting longest and at least `leastMs`; null where nobody has. Strangers go before our own users, and
   * those go only where that gives the newcomer a place.
   */
  slowest(lack: Lack, leastMs: number, now: number): Guest | null {
    const stranger = this.#crowds.incoming.slowest(this.#guests.incoming, leastMs, now);
    if (stranger !== null || lack === 'reserved') return stranger;
    return this.#crowds.outgoing.slowest(this.#guests.outgoing, leastMs, now);
  }
}
