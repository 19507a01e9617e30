// The senders of the bench: N at a time, each with a message, an address of 127/8 and a sender of its own. A process of its
// own, without a mail library, so that it costs little and its CPU is told apart. Forked by world.ts; runs one plan a
// message of its parent and answers with what came of it.

import { Client } from './client.ts';
import { type Prepared, readCorpus, salted, sizedMail } from './mail.ts';
import { checkBySpamd } from './spamc.ts';

export interface Plan {
  readonly port: number;
  readonly protocol: 'smtp' | 'spamc';
  readonly connections: number;
  readonly messages: number;
  /** Messages on one connection, all from one address. */
  readonly perConnection: number;
  /** A folder of the corpora, `generated`, or a size in bytes. */
  readonly mail: string | number;
  /** No two runs send the same salt. */
  readonly run: number;
  /** 4yz is tried again after this time, as a real sender would; counted apart. */
  readonly retryMs?: number;
}

export interface Outcome {
  /** From the dot to its reply, of messages that were taken. */
  readonly latenciesMs: readonly number[];
  /** Last replies by class: `2xx`, `4xx`, `5xx`, `lost` for a connection that ended too soon; the words of a few refusals. */
  readonly replies: Readonly<Record<string, number>>;
  readonly refusals: readonly string[];
  readonly retried: number;
  readonly bytes: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
}

const NO_MAIL: Prepared = { pieces: [], attachment: [] };
const REFUSALS_KEPT = 5;
const corpora = new Map<string | number, readonly Prepared[]>();

class Sending {
  readonly #plan: Plan;
  readonly #mails: readonly Prepared[];
  readonly latenciesMs: number[] = [];
  readonly replies: Record<string, number> = { '2xx': 0, '4xx': 0, '5xx': 0, lost: 0 };
  readonly refusals: string[] = [];
  bytes = 0;
  retried = 0;
  #next = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#mails = mailOf(plan.mail);
  }

  /** Sends one connection's messages after the other until none is left; several of these run at once. */
  async work(): Promise<void> {
    const { messages, perConnection } = this.#plan;
    while (this.#next < messages) {
      const [from, count] = [this.#next, Math.min(perConnection, messages - this.#next)];
      this.#next += count;
      for (let done = 0, tries = 0; done < count; tries++) {
        const said = await this.#connection(from + done, count - done, tries);
        for (const reply of said) {
          if (await this.#waitsAfter(reply)) break;
          done += 1;
          this.#count(reply);
        }
      }
    }
  }

  /** True where the message is to be sent again. */
  async #waitsAfter(reply: string): Promise<boolean> {
    const { retryMs } = this.#plan;
    if (retryMs === undefined || !/^4|^$/.test(reply)) return false;
    this.retried += 1;
    await new Promise(resolve => setTimeout(resolve, retryMs));
    return true;
  }

  #count(reply: string): void {
    const kind = reply === '' ? 'lost' : `${reply[0]}xx`;
    this.replies[kind] = (this.replies[kind] ?? 0) + 1;
    if (kind !== '2xx' && this.refusals.length < REFUSALS_KEPT) this.refusals.push(reply);
  }

  /** The reply to each message; the first that was not taken is the last. */
  async #connection(n: number, count: number, tries: number): Promise<string[]> {
    const { port, protocol, run, messages } = this.#plan;
    if (protocol === 'spamc') return [await this.#timed(n, pieces => checkBySpamd(port, pieces))];
    const client = new Client(port, addressOf(run, n + tries * messages));
    const greeting = await client.reply();
    client.write(`EHLO mail.d${saltOf(run, n)}.sender.example\r\n`);
    const hello = await client.reply();
    if (!greeting.startsWith('2') || !hello.startsWith('2')) {
      client.end();
      return [greeting.startsWith('2') ? hello : greeting];
    }
    const said: string[] = [];
    for (let k = n; k < n + count; k++) {
      const reply = await this.#send(client, k);
      said.push(reply);
      if (!reply.startsWith('2')) break;
    }
    client.write('QUIT\r\n');
    await client.reply();
    client.end();
    return said;
  }

  async #send(client: Client, n: number): Promise<string> {
    const salt = saltOf(this.#plan.run, n);
    client.write(`MAIL FROM:<s${salt}@d${salt}.sender.example>\r\nRCPT TO:<r${salt}@rcpt.example>\r\nDATA\r\n`);
    const asked = [await client.reply(), await client.reply(), await client.reply()];
    const refused = asked.find(reply => !/^[23]/.test(reply));
    if (refused !== undefined) return refused;
    return this.#timed(n, async (pieces, fromHere) => {
      await client.writeAll(pieces);
      fromHere();
      client.write('.\r\n');
      return client.reply();
    });
  }

  async #timed(n: number, work: (pieces: readonly Buffer[], fromHere: () => void) => Promise<string>): Promise<string> {
    const pieces = salted(this.#mails[n % this.#mails.length] ?? NO_MAIL, saltOf(this.#plan.run, n));
    let start = performance.now();
    const reply = await work(pieces, () => {
      start = performance.now();
    });
    if (!reply.startsWith('2')) return reply;
    this.latenciesMs.push(performance.now() - start);
    for (const piece of pieces) this.bytes += piece.length;
    return reply;
  }
}

async function run(plan: Plan): Promise<Outcome> {
  const sending = new Sending(plan);
  const startedAt = performance.timeOrigin + performance.now();
  await Promise.all(Array.from({ length: plan.connections }, () => sending.work()));
  const endedAt = performance.timeOrigin + performance.now();
  const { latenciesMs, replies, refusals, retried, bytes } = sending;
  return { latenciesMs, replies, refusals, retried, bytes, startedAt, endedAt };
}

function mailOf(mail: string | number): readonly Prepared[] {
  const known = corpora.get(mail);
  if (known !== undefined) return known;
  const read = typeof mail === 'number' ? [sizedMail(mail)] : readCorpus(mail);
  if (read === null) throw new Error(`no corpus ${mail}`);
  corpora.set(mail, read);
  return read;
}

function saltOf(run: number, n: number): string {
  return `${run.toString(36)}x${Math.imul(n + 1, 0x9e3779b1 | 0) >>> 0}`;
}

/** Another one for each n: multiplying by an odd number visits each of the 2^24 once. The first 65,536 are left out. */
function addressOf(run: number, n: number): string {
  const bits = (Math.imul(n + run * 100_003, 0x9e3779b1 | 0) >>> 0) & 0xffffff;
  return `127.${((bits >> 16) % 254) + 1}.${(bits >> 8) & 255}.${((bits & 255) % 254) + 1}`;
}

process.on('message', (plan: Plan) => {
  mailOf(plan.mail);
  run(plan).then(
    outcome => process.send?.(outcome),
    error => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
