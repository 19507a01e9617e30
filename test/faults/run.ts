// The fault run: load, faults singly and in combination by a plan that follows from the seed, and an audit after each
// round. Called by main.ts (`npm run faults`) and, in its short form, by short.test.ts. Memory is bounded by the round.

import { appendFileSync, closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { type Audit, audit } from './audit.ts';
import { type Fault, pause } from './kinds.ts';
import { Senders } from './senders.ts';
import { World } from './world.ts';

export interface Plan {
  readonly seed: number;
  /** One after the other; those of one step at the same time. */
  readonly steps: Iterator<readonly Fault[]>;
  readonly senders: number;
  /** The longest a fault lasts, milliseconds. */
  readonly faultMs: number;
  /** From the first to the last fault of a round, milliseconds. */
  readonly roundMs: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

export interface Figures {
  messages: number;
  recipients: number;
  tries: number;
  retries: number;
  answered: number;
  refused: number;
  atHop: number;
  lost: number;
  unrecorded: number;
  restarts: number;
  /** The longest until health was well again after a round's faults, milliseconds. */
  wellAfterMs: number;
  readonly releases: Record<string, number>;
  readonly states: Record<string, number>;
  readonly doubles: Record<string, number>;
  readonly faults: Record<string, number>;
  /** Failpoints nobody came by. */
  readonly missed: Record<string, number>;
  readonly problems: string[];
}

/** A child of Postern that was killed often is started again after up to half a minute; senders try for longer. */
const DRAIN_MS = 120_000;
const WELL_MS = 90_000;
const PROBLEMS_MAX = 20;
const LOG_MAX = 256 * 1024 * 1024;

/** Everything is started in `folder`, and ended again; the folder stays. */
export async function faultRun(folder: string, plan: Plan): Promise<Figures> {
  const world = new World(folder, plan.seed);
  const figures = noFigures();
  try {
    await world.start();
    for (let round = 1; round <= plan.rounds; round++) {
      const isMore = await oneRound(world, plan, figures);
      plan.say(`round ${round}: ${summary(figures)}`);
      if (figures.problems.length > 0 || !isMore) break;
    }
    await world.gateway.stop();
    figures.problems.push(...world.gateway.deaths);
  } catch (error) {
    figures.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await world.end(figures.problems.length > 0);
  }
  return figures;
}

/** False where the plan has no more steps. */
async function oneRound(world: World, plan: Plan, figures: Figures): Promise<boolean> {
  const { gateway, person, chance } = world;
  const logFrom = gateway.logBytes;
  const senders = new Senders({ port: gateway.port, chance, senders: plan.senders, restMs: 150 });
  person.begin();
  const seen = { hopRefuses: false };
  const isMore = await applyFaults(world, plan, figures, seen);
  note(world, 'all faults are over');
  await world.heal();
  note(world, 'Postern runs');
  const healedAt = Date.now();
  const isDrained = await senders.finish(DRAIN_MS);
  await person.finish();
  note(world, 'senders are done');
  if (!isDrained) figures.problems.push(`senders got no end within ${DRAIN_MS} ms`);
  await world.well(WELL_MS);
  figures.wellAfterMs = Math.max(figures.wellAfterMs, Date.now() - healedAt);
  const arrivals = [...world.arrivals()];
  for (const copy of person.open().filter(({ state }) => state === 'releasing')) {
    await person.settle(
      copy,
      arrivals.some(({ id, rcpt }) => copy.copyId.startsWith(id) && rcpt.includes(copy.rcpt)),
    );
  }
  note(world, 'restart in order');
  await gateway.restart();
  await world.well(WELL_MS);
  arrivals.push(...world.arrivals());
  const found = audit({
    data: gateway.data,
    sent: senders.sent,
    arrivals,
    kills: gateway.kills,
    forced: person.forced,
    hopRefuses: seen.hopRefuses,
    log: readFrom(gateway.log, logFrom),
  });
  note(world, `audit: ${found.problems.length} problems`);
  figures.problems.push(...(await storyOf(world, senders)));
  add(figures, world, { found, senders, arrivals: arrivals.length });
  for (const copy of person.open()) {
    if (!(await person.delete(copy))) figures.problems.push(`${copy.copyId} could not be deleted`);
  }
  return isMore;
}

/** The books as an administrator reads them: `trace` of one recipient who was answered with 250. */
async function storyOf({ gateway }: World, { sent }: Senders): Promise<readonly string[]> {
  const [rcpt] = sent.flatMap(({ taken }) => [...taken].slice(-1)).slice(-1);
  if (rcpt === undefined) return ['nobody was answered with 250'];
  const { code, stdout, stderr } = await gateway.cli('trace', rcpt);
  const isTold = code === 0 && /relayed|held|released|discarded|deleted/.test(stdout);
  return isTold ? [] : [`trace ${rcpt} ended with ${code}: ${stdout}${stderr}`];
}

async function applyFaults(
  world: World,
  plan: Plan,
  figures: Figures,
  seen: { hopRefuses: boolean },
): Promise<boolean> {
  const { chance, gateway } = world;
  const until = Date.now() + plan.roundMs;
  while (Date.now() < until) {
    const { value: faults, done } = plan.steps.next();
    if (done === true) return false;
    const ms = 100 + chance.below(plan.faultMs);
    await Promise.all(
      faults.map(async (fault: Fault) => {
        seen.hopRefuses ||= fault.kind.includes('5yz');
        note(world, `begins: ${fault.kind}`);
        const cameAbout = await fault.apply(world, ms);
        note(world, `${cameAbout ? 'is over' : 'did not come about'}: ${fault.kind}`);
        count(cameAbout ? figures.faults : figures.missed, fault.kind);
      }),
    );
    await gateway.ready();
    await pause(100 + chance.below(plan.faultMs));
  }
  return true;
}

function add(
  figures: Figures,
  { gateway, person }: World,
  { found, senders, arrivals }: { found: Audit; senders: Senders; arrivals: number },
): void {
  const { sent, retries } = senders;
  figures.messages += sent.length;
  figures.recipients += sent.reduce((sum, { letter }) => sum + letter.rcpt.length, 0);
  figures.tries += sent.reduce((sum, { tries }) => sum + tries.length, 0);
  figures.retries += retries;
  figures.answered += sent.reduce((sum, { taken }) => sum + taken.size, 0);
  figures.refused += sent.reduce((sum, { refused }) => sum + refused.size, 0);
  figures.atHop += arrivals;
  figures.lost += found.lost;
  figures.unrecorded += found.unrecorded;
  figures.restarts = gateway.starts - 1;
  Object.assign(figures.releases, person.said);
  for (const [state, n] of Object.entries(found.states)) figures.states[state] = (figures.states[state] ?? 0) + n;
  for (const [why, n] of Object.entries(found.doubles)) figures.doubles[why] = (figures.doubles[why] ?? 0) + n;
  figures.problems.push(...found.problems.slice(0, PROBLEMS_MAX));
  // What was judged is not needed again: memory stays that of one round.
  person.forced.clear();
}

function summary({ messages, tries, lost, doubles, faults, restarts, problems }: Figures): string {
  const sum = (all: Readonly<Record<string, number>>) => Object.values(all).reduce((total, n) => total + n, 0);
  return [
    `${messages} messages, ${tries} tries, ${sum(faults)} faults, ${restarts} restarts`,
    `lost ${lost}, doubles ${sum(doubles)}, problems ${problems.length}`,
  ].join(', ');
}

function noFigures(): Figures {
  const counts = { messages: 0, recipients: 0, tries: 0, retries: 0, answered: 0, refused: 0, atHop: 0 };
  const ends = { lost: 0, unrecorded: 0, restarts: 0, wellAfterMs: 0 };
  return { ...counts, ...ends, releases: {}, states: {}, doubles: {}, faults: {}, missed: {}, problems: [] };
}

/** What was done when: for whoever reads the log of a failed run. */
function note({ folder }: World, what: string): void {
  appendFileSync(join(folder, 'faults.log'), `${new Date().toISOString()} ${what}\n`);
}

function count(all: Record<string, number>, kind: string): void {
  all[kind] = (all[kind] ?? 0) + 1;
}

/** At most LOG_MAX bytes. */
function readFrom(path: string, from: number): string {
  const { size } = statSync(path);
  const bytes = Buffer.alloc(Math.min(LOG_MAX, size - from));
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, bytes.length, from);
  closeSync(file);
  return bytes.toString('utf8');
}
