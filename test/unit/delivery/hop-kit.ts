// What the tests of this folder share: a next hop with short limits, and one delivery told in a few words.

import type { TestContext } from 'node:test';

import { createNextHop } from '../../../src/delivery/next-hop.ts';
import type { HopPool, HopTimeouts, NextHopOptions } from '../../../src/delivery/options.ts';
import { type Address, parseAddress } from '../../../src/mail/address.ts';
import type { Recipient, ReversePath } from '../../../src/mail/envelope.ts';
import { HopLost, MailError } from '../../../src/mail/error.ts';
import type { HopReply, HopTransaction, NextHop } from '../../../src/mail/ports.ts';
import { createLog } from '../../../src/platform/log.ts';
import { type FakeHop, type FakeHopOptions, startFakeHop } from '../../support/fake-hop.ts';

export const PLAIN = { smtpUtf8: false, body: '7BIT', declaredSize: null } as const;
export const NULL_SENDER: ReversePath = { raw: '<>', address: null };
export const MESSAGE = 'Subject: hello\r\n\r\nhello\r\n';
/** Far over every limit set below, so that a passed test is no matter of luck. */
export const LONG_MS = 20_000;

export interface KitOptions extends Partial<Omit<NextHopOptions, 'timeouts' | 'pool'>> {
  readonly timeouts?: Partial<HopTimeouts>;
  readonly pool?: Partial<HopPool>;
  readonly onLog?: (line: string) => void;
}

/** A next hop with limits of 5 seconds, closed at the end of the test. */
export function hopTo(t: TestContext, hosts: readonly string[], options: KitOptions = {}): NextHop {
  const hop = createNextHop({
    tls: 'may',
    hostname: 'gateway.example',
    ...options,
    hosts,
    timeouts: { connectMs: 5000, commandMs: 5000, blockMs: 5000, afterDotMs: 5000, ...options.timeouts },
    log: createLog('debug', options.onLog ?? (() => undefined)),
  });
  t.after(() => hop.close());
  return hop;
}

/** Without PIPELINING, so that every command is a step of its own; hop-pipelining.test.ts has the others. */
export async function fakeHop(t: TestContext, options: FakeHopOptions = {}): Promise<FakeHop> {
  const fake = await startFakeHop({ offers: ['SIZE 104857600', '8BITMIME', 'SMTPUTF8'], ...options });
  t.after(() => fake.stop());
  return fake;
}

export function sender(text: string): ReversePath {
  return { raw: `<${text}>`, address: address(text) };
}

export function recipient(text: string): Recipient {
  return { raw: `<${text}>`, address: address(text) };
}

export async function* bytes(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
}

export function within(ms = LONG_MS): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** Opens and says MAIL and RCPT; throws where one of them is refused. */
export async function ready(hop: NextHop, ...rcptTo: readonly string[]): Promise<HopTransaction> {
  const transaction = await hop.open(within());
  const replies = [await transaction.mail(sender('from@a.example'), PLAIN)];
  for (const text of rcptTo.length === 0 ? ['to@x.example'] : rcptTo) {
    replies.push(await transaction.rcpt(recipient(text)));
  }
  const bad = replies.find(reply => reply.code >= 300);
  if (bad !== undefined) throw new Error(`refused: ${bad.code} ${bad.text}`);
  return transaction;
}

export async function deliver(hop: NextHop, body = MESSAGE): Promise<HopReply> {
  const transaction = await ready(hop);
  try {
    return await transaction.data(bytes(body), within());
  } finally {
    transaction.release();
  }
}

/** One delivery in words: `done 250`, `RCPT 450`, `open unreachable`, `MAIL lost`, `DATA lost after the dot`. */
export async function told(hop: NextHop): Promise<string> {
  let step = 'open';
  let transaction: HopTransaction | null = null;
  try {
    transaction = await hop.open(within());
    step = 'MAIL';
    const to = recipient('to@x.example');
    const mail = await transaction.mail(sender('from@a.example'), PLAIN, to);
    if (mail.code >= 300) return `MAIL ${mail.code}`;
    step = 'RCPT';
    const rcpt = await transaction.rcpt(to);
    if (rcpt.code >= 300) return `RCPT ${rcpt.code}`;
    step = 'DATA';
    const reply = await transaction.data(bytes(MESSAGE), within());
    return `done ${reply.code}`;
  } catch (error) {
    if (error instanceof HopLost) return `${step} lost${error.afterDot ? ' after the dot' : ''}`;
    if (error instanceof MailError) return `${step} ${error.reply.code} ${error.reply.enhanced}`;
    throw error;
  } finally {
    transaction?.release();
  }
}

/** Resolves when `isSo`; rejects after 10 seconds. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(`no address: ${text}`);
  return parsed;
}
