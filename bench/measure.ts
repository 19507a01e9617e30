// One run: the generator sends through a subject into the sink, and what that cost is read before and after.

import { waitFor } from '../test/support/wait-for.ts';
import { difference, type Latency, latencyOf, median, sum } from './figures.ts';
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
  /** The most that was seen. */
  readonly peakRss: number;
}

const QUEUE_EMPTY_WITHIN_MS = 120_000;

export async function measure(world: World, subject: Subject, plan: Omit<Plan, 'port' | 'protocol'>): Promise<Run> {
  const counted = await world.sink.ask({});
  const [before, threadsBefore] = [cpuOf(world, subject), subject.threads?.() ?? {}];
  let peakRss = subject.rss();
  const watch = setInterval(() => {
    peakRss = Math.max(peakRss, subject.rss());
  }, subject.rssEveryMs);
  try {
    const outcome = await world.generator.ask({ ...plan, port: subject.port, protocol: protocolOf(subject) });
    const taken = outcome.replies['2xx'] ?? 0;
    // A filter with a queue has taken what is not relayed yet.
    const relayed = subject.relays ? await relayedOf(world, counted.messages, taken) : { count: taken, at: 0 };
    const seconds = (Math.max(outcome.endedAt, relayed.at) - outcome.startedAt) / 1000;
    const after = cpuOf(world, subject);
    const each = (used: Record<string, number>) =>
      Object.fromEntries(Object.entries(used).map(([name, ms]) => [name, ms / Math.max(1, relayed.count)]));
    const own = Object.keys(subject.cpu());
    const cpu = each(difference(before, after));
    peakRss = Math.max(peakRss, subject.rss());
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

/** The middle of several runs, figure by figure. */
export function medianRun(runs: readonly Run[]): Run {
  const [first] = runs;
  if (first === undefined) throw new RangeError('no runs');
  const of = (figure: (run: Run) => number) => median(runs.map(figure));
  const each = (figures: (run: Run) => Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.keys(figures(first)).map(name => [name, of(run => figures(run)[name] ?? 0)]));
  const { p50, p95, p99, max } = each(run => ({ ...run.latencyMs }));
  return {
    ...first,
    relayed: of(run => run.relayed),
    seconds: of(run => run.seconds),
    perSecond: of(run => run.perSecond),
    megabytesPerSecond: of(run => run.megabytesPerSecond),
    latencyMs: { p50: p50 ?? 0, p95: p95 ?? 0, p99: p99 ?? 0, max: max ?? 0 },
    cpuMs: each(run => run.cpuMs),
    threadsMs: each(run => run.threadsMs),
    subjectCpuMs: of(run => run.subjectCpuMs),
    peakRss: of(run => run.peakRss),
  };
}

function protocolOf(subject: Subject): Plan['protocol'] {
  return subject.relays ? 'smtp' : 'spamc';
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
