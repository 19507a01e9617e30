// What all that is measured shares: clamd, resolver, sink and generator, each one process for a whole run of the bench.
// clamd is Postern's own embedded one with the project's EICAR signature, so that Postern and peers ask the same.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CLAMD_THREADS } from '../src/assembly/daemons.ts';
import { type Clamd, createClamd } from '../src/platform/clamd.ts';
import { createLog } from '../src/platform/log.ts';
import { findProgram } from '../src/platform/program.ts';
import { startUnbound, type Unbound } from '../test/support/unbound.ts';
import { type Forked, startForked } from './forked.ts';
import type { Outcome, Plan } from './generator.ts';
import type { Counted } from './sink.ts';

export interface World {
  readonly folder: string;
  readonly clamd: Clamd;
  readonly resolver: Unbound;
  readonly sink: Forked<object, Counted>;
  readonly sinkPort: number;
  readonly generator: Forked<Plan, Outcome>;
  /** What is to be ended before the world is; also when the bench is interrupted. */
  atEnd(stop: () => Promise<void>): void;
  stop(): Promise<void>;
}

/**
 * Each sender has a domain of its own, which no cache knows, and SPF that it passes. What the corpora's other names are is
 * not known any more: they do not exist here. Postern's own host name and the recipients' do.
 */
const ZONE = [
  'sender.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"',
  'sender.example. 300 IN A 127.0.0.9',
  'sender.example. 300 IN MX 10 mx.sender.example.',
  'rcpt.example. 300 IN MX 10 mx.bench.example.',
  'mx.bench.example. 300 IN A 127.0.0.1',
];

export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-bench-'));
  // spamd gives up root and must find its own folder.
  await chmod(folder, 0o755);
  const stops: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 10 })];
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    const sink = startForked<object, Counted>('sink.ts');
    stops.push(() => sink.stop());
    const generator = startForked<Plan, Outcome>('generator.ts');
    stops.push(() => generator.stop());
    const { port: sinkPort } = await sink.ask({});
    const resolver = await startUnbound(ZONE, ['sender.example.']);
    stops.push(() => resolver.stop());
    const memory = await mkdtemp(join(clamdPlace(), 'postern-bench-'));
    stops.push(() => rm(memory, { recursive: true, force: true }));
    const clamd = await startClamd(memory);
    stops.push(() => clamd.stop());
    return { folder, clamd, resolver, sink, sinkPort, generator, atEnd: each => stops.push(each), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Where clamd keeps its temporary files, for whoever asks it. On ext4 it spends half of its time looking for a number for a new
 * file, more or less of it by chance: between 1.5 and 3.2 ms a message with the same mail.
 */
export function clamdPlace(): string {
  return existsSync(MEMORY) ? MEMORY : tmpdir();
}

const MEMORY = '/dev/shm';

async function startClamd(folder: string): Promise<Clamd> {
  const program = await findProgram('clamd');
  if (program === null) throw new Error('clamd is not installed: sh scripts/setup.sh bench');
  const signatures = join(folder, 'no-signatures');
  await mkdir(signatures);
  const clamd = await createClamd({
    program,
    folder: join(folder, 'clamd'),
    signatures,
    maxMessageBytes: 64 * 1024 * 1024,
    concurrency: CLAMD_THREADS,
    log: createLog('error'),
  });
  if (await clamd.start()) return clamd;
  await clamd.stop();
  throw new Error('clamd did not start');
}

/** First line that a program says about its version, '' where it is not there. */
export function versionOf(program: string, ...args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0] ?? '';
  } catch {
    return '';
  }
}
