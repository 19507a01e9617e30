// Senders as mail servers are: what was not answered with 250 or 5yz is sent again, each recipient until its end. They
// remember every answer: the first of the four views.

import type { Chance } from '../support/chance.ts';
import { stuffed } from '../support/send.ts';
import { LineClient } from '../support/smtp-script.ts';
import { bytesOf, type Letter, newLetter } from './mail.ts';

/** One answer to the dot; reply '' where there was none, though the dot was sent. */
export interface Try {
  readonly rcpt: readonly string[];
  readonly reply: string;
  /** Postern's id, '' where it was not told. */
  readonly id: string;
  readonly from: number;
  readonly to: number;
}

export interface Sent {
  readonly letter: Letter;
  readonly tries: Try[];
  /** Recipients that are refused for good, and with which words. */
  readonly refused: Map<string, string>;
  /** Recipients answered with 250. */
  readonly taken: Set<string>;
}

export interface SenderOptions {
  readonly port: number;
  readonly chance: Chance;
  readonly senders: number;
  /** Between two messages of one sender, milliseconds. */
  readonly restMs: number;
}

const AGAIN_FIRST_MS = 100;
const AGAIN_MAX_MS = 2000;

export class Senders {
  readonly sent: Sent[] = [];
  /** Times anything was tried again. */
  retries = 0;
  readonly #options: SenderOptions;
  readonly #running: Promise<void>[] = [];
  #numbers = 0;
  #isMore = true;
  #isGivenUp = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    for (let n = 0; n < options.senders; n++) this.#running.push(this.#run(n));
  }

  /** No new messages; resolves when every recipient has its end, false where that is not so within `ms`. */
  async finish(ms: number): Promise<boolean> {
    this.#isMore = false;
    const timer = setTimeout(() => {
      this.#isGivenUp = true;
    }, ms);
    await Promise.all(this.#running);
    clearTimeout(timer);
    return !this.#isGivenUp;
  }

  async #run(sender: number): Promise<void> {
    const { chance, restMs } = this.#options;
    while (this.#isMore) {
      const letter = newLetter(
        chance,
        `k${this.#options.port}-${Date.now().toString(36)}-${sender}-${this.#numbers++}`,
      );
      const sent: Sent = { letter, tries: [], refused: new Map(), taken: new Set() };
      this.sent.push(sent);
      await this.#bring(sent, `127.0.${1 + sender}.${1 + chance.below(200)}`);
      await pause(chance.below(restMs));
    }
  }

  async #bring(sent: Sent, address: string): Promise<void> {
    for (let again = AGAIN_FIRST_MS; ; again = Math.min(AGAIN_MAX_MS, again * 2)) {
      const before = rest(sent).length;
      await oneTransaction(sent, this.#options.port, address).catch(() => undefined);
      const left = rest(sent).length;
      if (left === 0 || this.#isGivenUp) return;
      // What needs a transaction of its own comes at once.
      if (left < before) continue;
      this.retries++;
      await pause(again / 2 + this.#options.chance.below(again));
    }
  }
}

/** Recipients without an end. */
export function rest({ letter, taken, refused }: Sent): readonly string[] {
  return letter.rcpt.filter(rcpt => !taken.has(rcpt) && !refused.has(rcpt));
}

/** Throws where the connection fails; what came until then is noted. */
async function oneTransaction(sent: Sent, port: number, address: string): Promise<void> {
  const client = await LineClient.open(port, address);
  try {
    for (const line of ['', 'EHLO client.sender.example', 'MAIL FROM:<alice@sender.example>']) {
      const reply = line === '' ? await client.reply() : await client.command(line);
      if (!reply.startsWith('2')) return;
    }
    const accepted: string[] = [];
    for (const rcpt of rest(sent)) {
      const reply = await client.command(`RCPT TO:<${rcpt}>`);
      if (reply.startsWith('250')) accepted.push(rcpt);
      else if (reply.startsWith('5')) sent.refused.set(rcpt, reply);
    }
    if (accepted.length === 0) return;
    if (!(await client.command('DATA')).startsWith('354')) return;
    const from = Date.now();
    client.write(stuffed(bytesOf(sent.letter)));
    client.write('.\r\n');
    const reply = await client.reply().catch(() => '');
    const id = /\(([0-9a-z]{18})\)$/.exec(reply)?.[1] ?? '';
    sent.tries.push({ rcpt: accepted, reply, id, from, to: Date.now() });
    for (const rcpt of accepted) {
      if (reply.startsWith('250')) sent.taken.add(rcpt);
      else if (reply.startsWith('5')) sent.refused.set(rcpt, reply);
    }
  } finally {
    client.destroy();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
