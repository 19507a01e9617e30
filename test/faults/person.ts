// The administrator of the fault run, at the control socket: releases from quarantine while faults are applied, and looks
// at the next hop where a release had no answer. Each release is noted; nothing of it is guessed.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { CONTROL_SOCKET } from '../../src/assembly/control.ts';
import { controlRequest } from '../../src/platform/control-client.ts';
import { socketPath } from '../../src/platform/unix-socket.ts';
import type { Chance } from '../support/chance.ts';

export interface OpenCopy {
  readonly copyId: string;
  readonly rcpt: string;
  readonly state: string;
}

const REST_MS = 150;
/** Newest held copies among which one is chosen. */
const CHOICE = 20;

export class Person {
  /** Copies that were sent once more although the next hop might have had them. */
  readonly forced = new Set<string>();
  /** What releases ended with. */
  readonly said: Record<string, number> = {};
  readonly #data: string;
  readonly #chance: Chance;
  #running: Promise<void> = Promise.resolve();
  #isMore = false;

  constructor(data: string, chance: Chance) {
    this.#data = data;
    this.#chance = chance;
  }

  begin(): void {
    this.#isMore = true;
    this.#running = this.#run();
  }

  async finish(): Promise<void> {
    this.#isMore = false;
    await this.#running;
  }

  /**
   * What had no answer is looked up at the next hop: `isThere`, then its copy here goes; else it is sent again. Some are
   * sent again without looking, as people do. False where it cannot be ended now.
   */
  async settle(copy: OpenCopy, isThere: boolean): Promise<boolean> {
    if (isThere && this.#chance.next() < 0.8) return (await this.#order('DELETE', copy, true)) === 'deleted';
    this.forced.add(copy.copyId);
    return (await this.#order('POST', copy, true)) === 'released';
  }

  async delete(copy: OpenCopy): Promise<boolean> {
    return (await this.#order('DELETE', copy, false)) === 'deleted';
  }

  /** Held, or on their way, newest first. */
  open(limit = -1): readonly OpenCopy[] {
    const database = new DatabaseSync(join(this.#data, 'postern.db'), { readOnly: true, timeout: 2000 });
    try {
      const rows = database
        .prepare(
          `SELECT copy_id, rcpt_key, state FROM copies WHERE state IN ('held', 'releasing') ORDER BY copy_id DESC LIMIT ?`,
        )
        .all(limit);
      return rows.map(row => ({
        copyId: String(row['copy_id']),
        rcpt: String(row['rcpt_key']),
        state: String(row['state']),
      }));
    } finally {
      database.close();
    }
  }

  async #run(): Promise<void> {
    while (this.#isMore) {
      await new Promise(resolve => setTimeout(resolve, REST_MS));
      const held = this.#held();
      if (held.length > 0) await this.#order('POST', this.#chance.pick(held), false);
    }
  }

  #held(): readonly OpenCopy[] {
    try {
      return this.open(CHOICE).filter(copy => copy.state === 'held');
    } catch {
      // The database is locked, or not there yet.
      return [];
    }
  }

  /** Never rejects: where nobody answers, nobody knows. */
  async #order(method: 'POST' | 'DELETE', { copyId }: OpenCopy, force: boolean): Promise<string> {
    const path = method === 'POST' ? `/quarantine/${copyId}/release` : `/quarantine/${copyId}`;
    const kind = await this.#ask(method, path, force).catch(() => 'no answer');
    if (method === 'POST') this.said[kind] = (this.said[kind] ?? 0) + 1;
    return kind;
  }

  async #ask(method: 'POST' | 'DELETE', path: string, force: boolean): Promise<string> {
    const socket = await socketPath(this.#data, CONTROL_SOCKET);
    const { body } = await controlRequest(socket, { method, path, body: { by: 'fault run', force } });
    const kind = typeof body === 'object' && body !== null && 'kind' in body ? body.kind : 'error';
    return String(kind);
  }
}
