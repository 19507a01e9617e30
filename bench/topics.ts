// The topics beside throughput: memory over many messages, many large messages at once, CPU by size. Each ends in the bars
// that it holds or does not.

import { marginal, median } from './figures.ts';
import { nextRun } from './gateway.ts';
import { measure, type Run } from './measure.ts';
import type { Options } from './options.ts';
import { startPostern } from './postern.ts';
import { type Bar, bar, table } from './report.ts';
import type { World } from './world.ts';

export interface TopicResult {
  readonly settings: readonly string[];
  readonly figures: unknown;
  /** For people. */
  readonly text: string;
  readonly bars: readonly Bar[];
}

const MEGABYTE = 1e6;
const megabytes = (bytes: number) => (bytes / MEGABYTE).toFixed(0);

/** Memory after --messages (5,000), and after so many times more. */
const MEMORY_TIMES = 4;
const MEMORY_RATIO_MAX = 1.1;
/** Resident memory swings with the collector: a middle of several looks is compared, in a rest without mail. */
const LOOKS = 9;
const LOOK_EVERY_MS = 250;

/** RSS after some messages and after four times as many, of one Postern that is never started again. */
export async function runMemory(world: World, options: Options): Promise<TopicResult> {
  const postern = await startPostern(world, { root: options.postern });
  const { connections, perConnection, corpus } = options;
  const figures: { messages: number; rss: number; peak: number; run: Run }[] = [];
  try {
    let sent = 0;
    for (const until of [options.messages, options.messages * MEMORY_TIMES]) {
      const plan = { connections, perConnection, mail: corpus, messages: until - sent, run: nextRun() };
      const run = await measure(world, postern, plan);
      sent = until;
      figures.push({ messages: sent, rss: await restingRss(() => postern.rss()), peak: postern.peakRss(), run });
    }
  } finally {
    await postern.stop();
  }
  const rows = figures.map(({ messages, rss, peak, run }) => [
    String(messages),
    megabytes(rss),
    megabytes(peak),
    run.perSecond.toFixed(0),
    `${run.relayed}/${run.sent}`,
  ]);
  const ratioOf = (of: 'rss' | 'peak') => (figures[1]?.[of] ?? 0) / (figures[0]?.[of] ?? 1);
  const [rss, peak] = [ratioOf('rss'), ratioOf('peak')];
  return {
    settings: postern.settings,
    figures,
    text: table(['messages', 'RSS MB', 'peak MB', 'msg/s', 'relayed'], rows),
    bars: [
      {
        holds: rss <= MEMORY_RATIO_MAX,
        says: `RSS after ${figures[1]?.messages} messages is ${rss.toFixed(2)} times that after ${figures[0]?.messages} (at most ${MEMORY_RATIO_MAX}); peak ${peak.toFixed(2)} times`,
      },
    ],
  };
}

async function restingRss(look: () => number): Promise<number> {
  const seen: number[] = [];
  for (let n = 0; n < LOOKS; n++) {
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS));
    seen.push(look());
  }
  return median(seen);
}

const LARGE = { connections: 20, bytes: 50 * MEGABYTE, retryMs: 1000 } as const;
const LARGE_RSS_MAX = 600 * MEGABYTE;

/** Messages of 50 MB, one on each of 20 connections at once; who hears 4yz comes back a second later. */
export async function runLarge(world: World, options: Options): Promise<TopicResult> {
  const postern = await startPostern(world, { root: options.postern });
  try {
    const { connections, bytes, retryMs } = LARGE;
    const plan = { connections, messages: connections, perConnection: 1, mail: bytes, run: nextRun(), retryMs };
    const run = await measure(world, postern, plan);
    const peak = postern.peakRss();
    const head = ['sent', 'relayed', 'tried again', 'seconds', 'MB/s', 'p50 s', 'max s', 'peak RSS MB', 'CPU s each'];
    const cells = [run.sent, run.relayed, run.retried, run.seconds.toFixed(1), run.megabytesPerSecond.toFixed(1)];
    const times = [run.latencyMs.p50, run.latencyMs.max].map(ms => (ms / 1000).toFixed(2));
    const row = [...cells, ...times, megabytes(peak), (run.subjectCpuMs / 1000).toFixed(2)].map(String);
    return {
      settings: postern.settings,
      figures: { run, peakRss: peak },
      text: [table(head, [row]), ...run.refusals].join('\n'),
      bars: [
        {
          holds: peak < LARGE_RSS_MAX,
          says: `20 connections with 50 MB each: peak RSS ${megabytes(peak)} MB (below 600)`,
        },
        { holds: run.relayed === run.sent, says: `all of them were relayed in the end: ${run.relayed} of ${run.sent}` },
      ],
    };
  } finally {
    await postern.stop();
  }
}

/** Bytes, and how many messages of that size: some seconds each. */
const SIZES: readonly (readonly [number, number])[] = [
  [1e3, 600],
  [1e4, 600],
  [1e5, 200],
  [1e6, 60],
  [1e7, 12],
];
/** A megabyte between 1 and 10 MB to one between 100 KB and 1 MB: larger than 1 by what a run differs from the next. */
const GROWTH_MAX = 1.3;

/** CPU of one message by its size: plain text up to 10 KB, beyond it an attachment. */
export async function runSize(world: World, options: Options): Promise<TopicResult> {
  const postern = await startPostern(world, { root: options.postern });
  const runs: { size: number; cost: number; run: Run }[] = [];
  try {
    for (const [size, messages] of SIZES) {
      const plan = { connections: 4, perConnection: 1, mail: size, retryMs: 200 };
      await measure(world, postern, { ...plan, messages: Math.ceil(messages / 4), run: nextRun() });
      const run = await measure(world, postern, { ...plan, messages, run: nextRun() });
      runs.push({ size, cost: run.subjectCpuMs, run });
    }
  } finally {
    await postern.stop();
  }
  const rows = runs.map(({ size, cost, run }) => [
    `${size / 1000} KB`,
    cost.toFixed(2),
    ((cost / size) * 1e6).toFixed(1),
    (run.cpuMs['clamd'] ?? 0).toFixed(2),
    run.latencyMs.p50.toFixed(0),
    run.perSecond.toFixed(1),
    `${run.relayed}/${run.sent}`,
  ]);
  const perMegabyte = marginal(runs);
  const [small = Number.NaN, large = Number.NaN] = perMegabyte.slice(-2);
  const says = `a further MB costs ${large.toFixed(1)} ms between 1 and 10 MB, ${small.toFixed(1)} ms between 0.1 and 1 MB (linear: at most ${GROWTH_MAX} times)`;
  return {
    settings: postern.settings,
    figures: { runs, perMegabyte },
    text: table(['size', 'own CPU ms', 'per MB', 'clamd ms', 'p50 ms', 'msg/s', 'relayed'], rows),
    bars: [{ holds: large <= small * GROWTH_MAX, says }],
  };
}

export function printTopic({ settings, text, bars }: TopicResult): void {
  console.log(`\nnot as shipped:\n${settings.map(line => `  ${line}`).join('\n')}\n\n${text}\n`);
  for (const { holds, says } of bars) console.log(bar(holds, says));
}
