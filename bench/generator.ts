// The senders of the bench: N at a time, each with a message, an address of 127/8 and a sender of its own. A process of its
// own, without a mail library, so that it costs little and its CPU is told apart. Forked by world.ts; runs one plan a
// message of its parent and answers with what came of it.

import { connect, type Socket } from 'node:net';

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

class Client {
  readonly #socket: Socket;
  #text = '';
  #replies: string[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;

  constructor(port: number, localAddress: string) {
    this.#socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#take(text));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#wake?.();
    });
  }

  /** The next reply, its last line only; '' when the connection has ended. */
  async reply(): Promise<string> {
    while (this.#replies.length === 0 && !this.#isClosed) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#replies.shift() ?? '';
  }

  write(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** Writes no more than the kernel takes: large mail is not all in our memory at once. */
  async writeAll(pieces: readonly Buffer[]): Promise<void> {
    this.#socket.cork();
    for (const piece of pieces) {
      if (this.#socket.write(piece) || this.#isClosed) continue;
      this.#socket.uncork();
      await this.#drained();
      this.#socket.cork();
    }
    this.#socket.uncork();
  }

  end(): void {
    this.#socket.end();
  }

  #drained(): Promise<void> {
    return new Promise(resolve => {
      const go = () => {
        this.#socket.off('drain', go).off('close', go);
        resolve();
      };
      this.#socket.on('drain', go).on('close', go);
    });
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\r\n'); end !== -1; end = this.#text.indexOf('\r\n')) {
      if (this.#text[3] !== '-') this.#replies.push(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
    }
    this.#wake?.();
  }
}

async function run(plan: Plan): Promise<Outcome> {
  const mails = mailOf(plan.mail);
  const latenciesMs: number[] = [];
  const replies: Record<string, number> = { '2xx': 0, '4xx': 0, '5xx': 0, lost: 0 };
  const refusals: string[] = [];
  let [next, bytes, retried] = [0, 0, 0];

  /** One message to its end; false when the connection is of no more use. */
  const send = async (client: Client, n: number): Promise<string> => {
    const salt = saltOf(plan.run, n);
    const pieces = salted(mails[n % mails.length] ?? NO_MAIL, salt);
    client.write(`MAIL FROM:<s${salt}@d${salt}.sender.example>\r\nRCPT TO:<r${salt}@rcpt.example>\r\nDATA\r\n`);
    const asked = [await client.reply(), await client.reply(), await client.reply()];
    const refused = asked.find(reply => !/^[23]/.test(reply));
    if (refused !== undefined) return refused;
    await client.writeAll(pieces);
    const start = performance.now();
    client.write('.\r\n');
    const reply = await client.reply();
    if (!reply.startsWith('2')) return reply;
    latenciesMs.push(performance.now() - start);
    for (const piece of pieces) bytes += piece.length;
    return reply;
  };

  const check = async (n: number): Promise<string> => {
    const pieces = salted(mails[n % mails.length] ?? NO_MAIL, saltOf(plan.run, n));
    const start = performance.now();
    const reply = await checkBySpamd(plan.port, pieces);
    if (!reply.startsWith('2')) return reply;
    latenciesMs.push(performance.now() - start);
    for (const piece of pieces) bytes += piece.length;
    return reply;
  };

  const connection = async (n: number, count: number, tries: number): Promise<string[]> => {
    if (plan.protocol === 'spamc') return [await check(n)];
    const client = new Client(plan.port, addressOf(plan.run, n + tries));
    const said: string[] = [];
    const greeting = await client.reply();
    client.write(`EHLO mail.d${saltOf(plan.run, n)}.sender.example\r\n`);
    const hello = await client.reply();
    if (!greeting.startsWith('2') || !hello.startsWith('2')) {
      client.end();
      return Array<string>(count).fill(greeting.startsWith('2') ? hello : greeting);
    }
    for (let k = 0; k < count; k++) {
      const reply = await send(client, n + k);
      said.push(reply);
      if (!reply.startsWith('2')) break;
    }
    client.write('QUIT\r\n');
    await client.reply();
    client.end();
    return said;
  };

  const sender = async (): Promise<void> => {
    while (next < plan.messages) {
      const [from, count] = [next, Math.min(plan.perConnection, plan.messages - next)];
      next += count;
      for (let done = 0, tries = 0; done < count; tries++) {
        const said = await connection(from + done, count - done, tries * plan.messages);
        for (const reply of said) {
          if (plan.retryMs !== undefined && /^4|^$/.test(reply)) {
            retried += 1;
            await new Promise(resolve => setTimeout(resolve, plan.retryMs));
            break;
          }
          done += 1;
          const kind = reply === '' ? 'lost' : `${reply[0]}xx`;
          replies[kind] = (replies[kind] ?? 0) + 1;
          if (kind !== '2xx' && refusals.length < REFUSALS_KEPT) refusals.push(reply);
        }
      }
    }
  };

  const startedAt = performance.timeOrigin + performance.now();
  await Promise.all(Array.from({ length: plan.connections }, sender));
  const endedAt = performance.timeOrigin + performance.now();
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
