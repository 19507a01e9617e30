// `npm run bench`: messages through Postern into the sink, and what they cost.

import { join } from 'node:path';

import { median, sum } from './figures.ts';
import { measure, medianRun, type Run } from './measure.ts';
import type { Options } from './options.ts';
import { startRspamd } from './peers/rspamd.ts';
import { startSpamd } from './peers/spamd.ts';
import { startPostern } from './postern.ts';
import { profileEnvironment, profileText, readProfiles, type ThreadProfile } from './profile.ts';
import { type Bar, bar, cpuTable, runsTable, threadsTable } from './report.ts';
import type { Subject } from './subject.ts';
import type { World } from './world.ts';

const POSTERN = 'Postern';
const RSPAMD = 'Postfix + rspamd';
const RATIO_MIN = 1.5;
/**
 * Code compiled for speed, connections to the next hop open, caches as full as they get: a gateway runs for weeks, and V8
 * goes on compiling for some thousands of messages. Of short runs twice as many as are measured.
 */
export const WARM_UP = 5000;
/** No two runs of one bench, and hardly two benches, send the same salts. */
let runs = Math.floor(Date.now() / 1000) % 100_000;

export interface GatewayResult {
  /** Of all rounds, in the order in which they ran. */
  readonly runs: readonly Run[];
  readonly subjects: readonly { readonly name: string; readonly kind: string; readonly settings: readonly string[] }[];
  readonly profile: readonly ThreadProfile[] | null;
}

export async function runGateway(world: World, options: Options): Promise<GatewayResult> {
  const folder = join(world.folder, 'profiles');
  const environment = options.profile ? profileEnvironment(folder) : {};
  const subjects: Subject[] = [directTo(world)];
  const runs: Run[] = [];
  try {
    const postern = await startPostern(world, { root: options.postern, environment });
    subjects.push(postern);
    if (['rspamd', 'all'].includes(options.peers)) subjects.push(await startRspamd(world));
    if (['spamd', 'all'].includes(options.peers)) subjects.push(await startSpamd(world));
    for (const subject of subjects) await warmUp(world, subject, options);
    if (options.profile) process.kill(postern.pid, 'SIGUSR2');
    const rounds = options.peers === 'none' ? 1 : options.rounds;
    for (let round = 0; round < rounds; round++) {
      // There and back again: nobody always comes after the same one.
      const turns = round % 2 === 0 ? subjects : subjects.toReversed();
      for (const subject of turns) runs.push(await measure(world, subject, planOf(options, subject)));
    }
    if (options.profile) process.kill(postern.pid, 'SIGUSR2');
    // Its threads write their profiles before it ends.
    await postern.stop();
    const about = subjects.map(({ name, kind, settings }) => ({ name, kind, settings }));
    return { runs, subjects: about, profile: options.profile ? readProfiles(folder) : null };
  } finally {
    for (const subject of subjects) await subject.stop();
  }
}

/** Measured for its end only: a queue is empty again before the next one has its turn. */
async function warmUp(world: World, subject: Subject, options: Options): Promise<void> {
  await measure(world, subject, planOf({ ...options, messages: Math.min(WARM_UP, options.messages * 2) }, subject));
}

function planOf({ connections, messages, perConnection, corpus }: Options, { share }: Subject) {
  return { connections, messages: Math.ceil(messages * share), perConnection, mail: corpus, run: nextRun() };
}

export function nextRun(): number {
  runs += 1;
  return runs;
}

/** Generator to sink with nothing between: what the bench itself can do. */
export function directTo(world: World): Subject {
  return {
    name: 'direct (nothing between)',
    kind: 'generator to sink',
    port: world.sinkPort,
    settings: [],
    cpu: () => ({}),
    rss: () => 0,
    rssEveryMs: 1000,
    relays: true,
    share: 1,
    stop: async () => undefined,
  };
}

/** Postern's bars beside Postfix with rspamd; none without that peer. */
export function barsOf(runs: readonly Run[]): Bar[] {
  const [ours, theirs] = [POSTERN, RSPAMD].map(name => runs.filter(run => run.name === name));
  if (ours === undefined || theirs === undefined || theirs.length === 0) return [];
  // Pair by pair: what disturbs the machine disturbs neighbours in time alike.
  const ratio = median(ours.map((run, n) => run.perSecond / (theirs[n]?.perSecond ?? Number.NaN)));
  const [p99, peers] = [ours, theirs].map(of => median(of.map(run => run.latencyMs.p99)));
  const all = [...ours, ...theirs];
  const [relayed, sent] = [sum(all.map(run => run.relayed)), sum(all.map(run => run.sent))];
  return [
    {
      holds: ratio >= RATIO_MIN,
      says: `${ratio.toFixed(2)} times the messages/s of ${RSPAMD} (at least ${RATIO_MIN})`,
    },
    {
      holds: (p99 ?? 0) <= (peers ?? 0),
      says: `p99 ${p99?.toFixed(0)} ms, of the peer ${peers?.toFixed(0)} ms (no higher)`,
    },
    { holds: relayed === sent, says: `everybody relayed everything: ${relayed} of ${sent}` },
  ];
}

export function print({ runs, subjects, profile }: GatewayResult): void {
  for (const { name, kind, settings } of subjects) {
    if (settings.length > 0) console.log(`\n${name} (${kind}), not as shipped:\n  ${settings.join('\n  ')}`);
  }
  const names = [...new Set(runs.map(run => run.name))];
  if (runs.length > names.length) console.log(`\nall rounds\n${runsTable(runs)}\n\nmedians`);
  const medians = names.map(name => medianRun(runs.filter(run => run.name === name)));
  console.log(`\n${runsTable(medians)}\n\n${cpuTable(medians)}\n`);
  for (const run of medians) {
    const threads = threadsTable(run);
    if (threads !== '') console.log(`${threads}\n`);
  }
  for (const run of runs) for (const refusal of run.refusals) console.log(`${run.name} refused: ${refusal}`);
  const messages = sum(runs.filter(run => run.name === POSTERN).map(run => run.relayed));
  if (profile !== null) console.log(`${profileText(profile, messages)}\n`);
  for (const { holds, says } of barsOf(runs)) console.log(bar(holds, says));
}
