// One run: the generator sends through a subject into the sink, and what that cost is read before and after.

import { waitFor } from '../test/support/wait-for.ts';
import { difference, type Latency, latencyOf, sum } from './figures.ts';
import type { Plan } from './generator.ts';
import { cpuMs } from './processes.ts';
import type { Subject } from './subject.ts';
import type { World } from './world.ts';

export interface Run {
  readonly name: string;
  readonly sent: number;
  readonly replies: Readonly<Record<string, number>>;
  readonly refusals: readonly string[];
  readonly retried: number;
  /** Messages that came to the sink. */
  readonly relayed: number;
  /** From the first connection until the last message was relayed and its reply heard. */
  readonly seconds: number;
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly latencyMs: Latency;
  /** CPU milliseconds a relayed message, by process. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly threadsMs: Readonly<Record<string, number>>;
  readonly subjectCpuMs: number;
  /** Most that was seen, looking four times a second. */
  readonly peakRss: number;
}

const LOOK_EVERY_MS = 250;
const QUEUE_EMPTY_WITHIN_MS = 120_000;

export async function measure(world: World, subject: Subject, plan: Omit<Plan, 'port'>): Promise<Run> {
  const counted = await world.sink.ask({});
  const [before, threadsBefore] = [cpuOf(world, subject), subject.threads?.() ?? {}];
  let peakRss = subject.rss();
  const watch = setInterval(() => {
    peakRss = Math.max(peakRss, subject.rss());
  }, LOOK_EVERY_MS);
  try {
    const outcome = await world.generator.ask({ ...plan, port: subject.port });
    const taken = outcome.replies['2xx'] ?? 0;
    // A filter with a queue has taken what is not relayed yet.
    const relayed = await relayedOf(world, counted.messages, taken);
    const seconds = (Math.max(outcome.endedAt, relayed.at) - outcome.startedAt) / 1000;
    const after = cpuOf(world, subject);
    const each = (used: Record<string, number>) =>
      Object.fromEntries(Object.entries(used).map(([name, ms]) => [name, ms / Math.max(1, relayed.count)]));
    const own = Object.keys(subject.cpu());
    const cpu = each(difference(before, after));
    return {
      name: subject.name,
      sent: plan.messages,
      replies: outcome.replies,
      refusals: outcome.refusals,
      retried: outcome.retried,
      relayed: relayed.count,
      seconds,
      perSecond: relayed.count / seconds,
      megabytesPerSecond: outcome.bytes / seconds / 1e6,
      latencyMs: latencyOf(outcome.latenciesMs),
      cpuMs: cpu,
      threadsMs: each(difference(threadsBefore, subject.threads?.() ?? {})),
      subjectCpuMs: sum(own.map(name => cpu[name] ?? 0)),
      peakRss,
    };
  } finally {
    clearInterval(watch);
  }
}

async function relayedOf(world: World, before: number, taken: number): Promise<{ count: number; at: number }> {
  let count = 0;
  let at = 0;
  const look = async () => {
    const now = (await world.sink.ask({})).messages - before;
    if (now !== count) [count, at] = [now, performance.timeOrigin + performance.now()];
    return count >= taken;
  };
  // The first look is at once: inline there is nothing to wait for, and the end of the run counts.
  if (await look()) return { count, at: 0 };
  await waitFor('the queue to be empty', look, QUEUE_EMPTY_WITHIN_MS).catch(() => undefined);
  return { count, at };
}

function cpuOf(world: World, subject: Subject): Record<string, number> {
  return {
    ...subject.cpu(),
    clamd: cpuMs(world.clamd.pid() ?? 0),
    resolver: cpuMs(world.resolver.pid),
    sink: cpuMs(world.sink.pid),
    generator: cpuMs(world.generator.pid),
  };
}
