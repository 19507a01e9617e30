// One sample of the running gateway, for `postern top`: all of it is in memory already. Called by the control socket.
// What asks outside parts (health) comes from a cache, so that looking on costs the next hops nothing.

import { Connection } from '../gateway/smtp/connection.ts';
import { VERSION } from '../version.ts';
import type { Activity, LastMinute } from './activity.ts';
import type { HealthReport } from './health.ts';

export interface ListenerLoad {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Between two messages, or before the first. */
  readonly idle: number;
  /** In a transaction, or waiting for our answer. */
  readonly talking: number;
  /** Sending a message, or waiting for its verdict. */
  readonly sending: number;
}

export interface ProcessLoad {
  /** Of one core, all threads together, within the last seconds; may be above 100. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  /** Longest turn of the main thread within the last two minutes. */
  readonly longestTurnMs: number;
}

export interface TopSample {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly process: ProcessLoad;
  readonly listeners: readonly ListenerLoad[];
  /** The setting limits.connections. */
  readonly connectionsMax: number;
  /** Messages that wait for their verdict, of them those in work, and the setting limits.scansInFlight. */
  readonly scans: { readonly inFlight: number; readonly inWork: number; readonly max: number };
  readonly lastMinute: LastMinute;
  readonly health: HealthReport;
}

interface Looked {
  readonly startedAt: number;
  readonly places: readonly Pick<ListenerLoad, 'name' | 'host' | 'port'>[];
  /** In the order of the places. */
  readonly listeners: readonly Listening[];
  readonly limits: { readonly connections: number; readonly scansInFlight: number };
  readonly pipeline: { inFlight(): number; inWork(): number };
  readonly activity: Activity;
  readonly cpu: CpuMeter;
  readonly turns: { lately(): number };
  readonly health: HealthReport;
}

export function topSample(looked: Looked): TopSample {
  const { startedAt, places, listeners, limits, pipeline, activity, cpu, turns, health } = looked;
  return {
    at: Date.now(),
    version: VERSION,
    pid: process.pid,
    startedAt,
    process: {
      cpuPercent: cpu.percent(),
      rssBytes: process.memoryUsage.rss(),
      longestTurnMs: Math.round(turns.lately()),
    },
    listeners: places.map((place, i) => ({ ...place, ...loadOf(listeners[i] ?? { connections: [] }) })),
    connectionsMax: limits.connections,
    scans: { inFlight: pipeline.inFlight(), inWork: pipeline.inWork(), max: limits.scansInFlight },
    lastMinute: activity.lastMinute(),
    health,
  };
}

/** As much of a listener as is looked at. */
interface Listening {
  readonly connections: Iterable<unknown>;
}

export function loadOf({ connections }: Listening): Pick<ListenerLoad, 'idle' | 'talking' | 'sending'> {
  const load = { idle: 0, talking: 0, sending: 0 };
  for (const connection of connections) {
    if (connection instanceof Connection) load[stateOf(connection)] += 1;
  }
  return load;
}

function stateOf(connection: Connection): 'idle' | 'talking' | 'sending' {
  if (connection._dataStream) return 'sending';
  return connection.isIdle ? 'idle' : 'talking';
}

/** Health in a sample is no older: somebody may look on for hours. */
export const LOOKED_ON_MS = 15_000;
const EVERY_MS = 2000;

/** The processor time of this process between two looks. */
export class CpuMeter {
  readonly #timer: NodeJS.Timeout;
  #usage = process.cpuUsage();
  #at = performance.now();
  #percent = 0;

  constructor() {
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
    this.#timer.unref();
  }

  percent(): number {
    return this.#percent;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    const usage = process.cpuUsage();
    const usedMs = (usage.user + usage.system - this.#usage.user - this.#usage.system) / 1000;
    this.#percent = Math.round((100 * usedMs) / Math.max(1, now - this.#at));
    [this.#usage, this.#at] = [usage, now];
  }
}
