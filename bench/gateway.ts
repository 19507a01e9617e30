// `npm run bench`: messages through Postern into the sink, and what they cost.

import { join } from 'node:path';

import type { Outcome } from './generator.ts';
import { measure, type Run } from './measure.ts';
import type { Options } from './options.ts';
import { startPostern } from './postern.ts';
import { profileEnvironment, profileText, readProfiles, type ThreadProfile } from './profile.ts';
import { cpuTable, runsTable, threadsTable } from './report.ts';
import type { Subject } from './subject.ts';
import type { World } from './world.ts';

/** Threads compiled, connections to the next hop open, caches as full as they get. */
export const WARM_UP = 400;
/** No two runs of one bench, and hardly two benches, send the same salts. */
let runs = Math.floor(Date.now() / 1000) % 100_000;

export interface GatewayResult {
  readonly runs: readonly Run[];
  readonly settings: readonly string[];
  readonly profile?: readonly ThreadProfile[];
}

export async function runGateway(world: World, options: Options): Promise<GatewayResult> {
  const direct = await runOnce(world, { subject: directTo(world), options });
  const folder = join(world.folder, 'profiles');
  const environment = options.profile ? profileEnvironment(folder) : {};
  const postern = await startPostern(world, { root: options.postern, environment });
  const toggle = () => options.profile && process.kill(postern.pid, 'SIGUSR2');
  try {
    await warmUp(world, postern, options);
    toggle();
    const run = await runOnce(world, { subject: postern, options });
    toggle();
    const result = { runs: [direct, run], settings: postern.settings };
    await postern.stop();
    return options.profile ? { ...result, profile: readProfiles(folder) } : result;
  } finally {
    await postern.stop();
  }
}

export function warmUp(world: World, { port }: Subject, options: Options): Promise<Outcome> {
  return world.generator.ask({ ...planOf(options), messages: Math.min(WARM_UP, options.messages), port });
}

export function runOnce(world: World, { subject, options }: { subject: Subject; options: Options }): Promise<Run> {
  return measure(world, subject, planOf(options));
}

function planOf({ connections, messages, perConnection, corpus }: Options) {
  return { connections, messages, perConnection, mail: corpus, run: nextRun() };
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
    stop: async () => undefined,
  };
}

export function print({ runs, settings, profile }: GatewayResult): void {
  console.log(`\nnot as shipped:\n${settings.map(line => `  ${line}`).join('\n')}`);
  console.log(`\n${runsTable(runs)}\n\n${cpuTable(runs)}\n`);
  for (const run of runs) {
    const threads = threadsTable(run);
    if (threads !== '') console.log(`${threads}\n`);
    for (const refusal of run.refusals) console.log(`${run.name} refused: ${refusal}`);
  }
  const last = runs.at(-1);
  if (profile !== undefined && last !== undefined) console.log(`${profileText(profile, last.relayed)}\n`);
}
