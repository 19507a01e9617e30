// Postern as the crash tests kill and start it again, its senders and the next hop, and the books of who has what.
// Used by test/e2e/crash.test.ts only.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { Books, heldFiles } from './books.ts';
import { endChildrenAfter } from './children.ts';
import { type FakeClamd, startFakeClamd } from './fake-clamd.ts';
import { type FakeHop, type Step, startFakeHop } from './fake-hop.ts';
import { type RunningPostern, startPostern, testFolder } from './postern.ts';
import { message } from './send.ts';

/** One message of a sender, with a recipient of its own to be found by. */
export interface Sent {
  readonly to: string;
  readonly content: string;
  /** The reply to the dot of each try; '' where there was none. */
  readonly replies: string[];
}

/** Everything that outlives a crash. */
export interface World {
  readonly t: TestContext;
  readonly folder: string;
  readonly data: string;
  readonly hop: FakeHop;
  /** Asked at each step of the next hop. */
  atHop: (step: Step) => void;
  readonly clamd: FakeClamd;
  readonly sent: Sent[];
  readonly figures: Record<string, number>;
  postern: RunningPostern;
  kill: () => void;
}

export async function newWorld(t: TestContext): Promise<World> {
  const folder = testFolder(t, 'crash');
  const state = { atHop: (_: Step): void => undefined };
  const hop = await startFakeHop({
    on: step => {
      state.atHop(step);
      return undefined;
    },
  });
  t.after(() => hop.stop());
  const clamd = await startFakeClamd('ok');
  t.after(() => clamd.stop());
  const settings = settingsOf(hop, clamd);
  const postern = await startPostern(t, { folder, settings });
  const data = join(folder, 'data');
  endChildrenAfter(t, data);
  const world: World = {
    t,
    folder,
    data,
    hop,
    clamd,
    postern,
    sent: [],
    figures: {},
    kill: () => world.postern.child.kill('SIGKILL'),
    get atHop() {
      return state.atHop;
    },
    set atHop(work) {
      state.atHop = work;
    },
  };
  return world;
}

function settingsOf(hop: FakeHop, clamd: FakeClamd): string {
  const { host, port } = clamd.address;
  return [
    `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
    'diskReserve: 0B',
    `scanners: {clamav: {address: "${host}:${port}"}, senderAuth: {enabled: false}, dnsLists: {enabled: false}}`,
  ].join('\n');
}

export async function start(world: World): Promise<void> {
  const { t, folder, hop, clamd } = world;
  world.postern = await startPostern(t, { folder, settings: settingsOf(hop, clamd) });
}

/** I1 and I4, for each message: rows, files and the far end tell the same story. */
export function checkAll(world: World, sent: readonly Sent[]): void {
  const books = new Books(world.data);
  try {
    for (const one of sent) checkOne(world, books, one);
  } finally {
    books.close();
  }
}

function checkOne(world: World, books: Books, sent: Sent): void {
  const copies = books.copiesFor(sent.to);
  const what = `${sent.to} ${JSON.stringify(sent.replies)} ${JSON.stringify(copies)}`;
  const passed = copies.filter(copy => ['relayed', 'released'].includes(copy.state));
  const held = copies.filter(copy => ['held', 'releasing'].includes(copy.state));
  assert.equal(passed.length + held.length, copies.length, `each copy is where mail can be: ${what}`);
  for (const copy of held) {
    const bytes = books.heldBytes(copy.copyId);
    assert.equal(bytes?.toString(), sent.content, `held byte for byte: ${what}`);
  }
  assert.ok(arrivals(world, sent.to) >= passed.length, `what the books call relayed is at the next hop: ${what}`);
  if (isAnswered(sent)) assert.ok(passed.length + held.length > 0, `answered with 250 and on record: ${what}`);
  if (isAnswered(sent)) assert.ok(arrivals(world, sent.to) + held.length > 0, `LOST: ${what}`);
}

interface Summary {
  readonly lost: number;
  readonly held: number;
  readonly [figure: string]: number;
}

export function summary(world: World): Summary {
  const books = new Books(world.data);
  const total = { sent: 0, tries: 0, answered250: 0, delivered: 0, held: 0, lost: 0, doubled: 0 };
  for (const sent of world.sent) {
    const held = books.copiesFor(sent.to).filter(copy => copy.state === 'held').length;
    const arrived = arrivals(world, sent.to);
    total.sent++;
    total.tries += sent.replies.length;
    total.answered250 += sent.replies.filter(reply => reply.startsWith('250')).length;
    total.delivered += arrived > 0 ? 1 : 0;
    total.held += held > 0 ? 1 : 0;
    if (isAnswered(sent) && arrived + held === 0) total.lost++;
    if (arrived + held > 1) {
      total.doubled++;
      // Only where the sender had no answer, or a person said --force after a release without one.
      const isSentAgain = sent.replies.length > 1 || sent.to.startsWith('release');
      assert.ok(isSentAgain, `doubled without a reason: ${sent.to} ${JSON.stringify(sent.replies)}`);
    }
  }
  books.close();
  return { ...total, ...world.figures };
}

export function newMessage(world: World, kind: string): Sent {
  const to = `${kind}-${world.sent.length}@example.org`;
  const content = message(to, `For ${to}.\r\n${'A line of a letter of usual length.\r\n'.repeat(60)}`);
  const sent: Sent = { to, content, replies: [] };
  world.sent.push(sent);
  return sent;
}

export function isAnswered(sent: Sent): boolean {
  return sent.replies.some(reply => reply.startsWith('250'));
}

/** How often the next hop has got the message whole, as it was sent. */
export function arrivals(world: World, to: string): number {
  const sent = world.sent.find(one => one.to === to);
  return world.hop.messages.filter(
    one => one.rcpt.includes(`<${to}>`) && sent !== undefined && one.bytes.toString().endsWith(sent.content),
  ).length;
}

export function bookedStates(world: World, to: string): readonly string[] {
  const books = new Books(world.data);
  try {
    return books.copiesFor(to).map(copy => copy.state);
  } finally {
    books.close();
  }
}

export function count(world: World, what: string): void {
  world.figures[what] = (world.figures[what] ?? 0) + 1;
}

interface Watch {
  /** Resolves as soon as one more is there than before. */
  until(what: '.eml' | '.json' | 'row'): Promise<void>;
  /** Says what was there when nothing more was to come. */
  end(): string;
}

/** Sees a message come into quarantine, from outside. */
export function watchQuarantine(world: World): Watch {
  const folder = join(world.data, 'quarantine');
  const books = new Books(world.data);
  const look = {
    '.eml': () => heldFiles(folder).filter(name => name.endsWith('.eml')).length,
    '.json': () => heldFiles(folder).filter(name => name.endsWith('.json')).length,
    row: () => books.countOf('items'),
  };
  const before = { '.eml': look['.eml'](), '.json': look['.json'](), row: look.row() };
  return {
    until: what => until(() => look[what]() > before[what]),
    end: () => {
      books.close();
      return look['.eml']() > before['.eml'] ? 'bytes only' : 'nothing yet';
    },
  };
}

/** Without a pause between looks: it is about fractions of a millisecond. */
async function until(isTrue: () => boolean): Promise<void> {
  const latest = Date.now() + 10_000;
  while (!isTrue()) {
    if (Date.now() > latest) throw new Error('the moment to kill never came');
    await new Promise(resolve => setImmediate(resolve));
  }
}
