// Health: what is protected, what is not, and what to do. One report for the HTTP page, the control socket and doctor.

import type { Health, NextHop } from '../mail/ports.ts';
import type { HttpRoute } from '../platform/http.ts';
import { errorText } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';

export interface HealthReport {
  /** The worst of all parts. */
  readonly level: Health['level'];
  /** What mail is protected by now: `viruses`, `forged senders` … */
  readonly protects: readonly string[];
  readonly doesNotProtect: readonly string[];
  readonly parts: readonly Health[];
}

/** What each scanner stands for, in the administrator's words. */
const PROTECTION: Readonly<Record<string, string>> = {
  rules: 'spam, by rules',
  clamav: 'viruses',
  'sender-auth': 'forged senders (SPF, DKIM, DMARC)',
  'dns-lists': 'listed addresses and links',
};

/**
 * Mail is taken and judged without these: with a public resolver every DNS list is off, and the memory Redis only counts.
 * Red is kept for what an administrator must get up for.
 */
const LESSER: ReadonlySet<string> = new Set(['dns-lists', 'rates', 'redis-memory']);
const YELLOW = 'degraded' as const;

/** Longer than any part's own deadline for a sign of life. */
const PART_MS = 6000;

export type AskHealth = () => Promise<Health> | Health;
/** One that may stay silent, so that the report can say who did. */
export interface NamedAsk {
  readonly part: string;
  readonly ask: AskHealth;
}

/** Each hop by its name: there may be many of them. */
export function askHops(hops: Iterable<Pick<NextHop, 'name' | 'health'>>): NamedAsk[] {
  return [...hops].map(hop => ({ part: `next hop ${hop.name}`, ask: () => hop.health() }));
}

/** Asks every part at once; one that does not answer in time is down. */
export async function healthReport(ask: readonly (AskHealth | NamedAsk)[]): Promise<HealthReport> {
  const named = ask.map(one => (typeof one === 'function' ? { part: 'unknown', ask: one } : one));
  const asked = await Promise.all(named.map(askPart));
  const parts = asked.map(part => (LESSER.has(part.part) && part.level === 'down' ? { ...part, level: YELLOW } : part));
  const level = parts.some(part => part.level === 'down')
    ? 'down'
    : parts.some(part => part.level === 'degraded')
      ? 'degraded'
      : 'ok';
  const working = new Set(asked.filter(part => part.level !== 'down').map(part => part.part));
  const known = Object.entries(PROTECTION);
  return {
    level,
    protects: known.filter(([part]) => working.has(part)).map(([, what]) => what),
    doesNotProtect: known.filter(([part]) => !working.has(part)).map(([, what]) => what),
    parts,
  };
}

async function askPart({ part, ask }: NamedAsk): Promise<Health> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Health>(resolve => {
    const silent: Health = { part, level: 'down', says: 'gives no sign of life', next: 'see the log' };
    timer = setTimeout(() => resolve(silent), PART_MS);
  });
  try {
    return await Promise.race([Promise.resolve(ask()), late]);
  } catch (error) {
    return { part, level: 'down', says: errorText(error), next: 'see the log' };
  } finally {
    clearTimeout(timer);
  }
}

/** A turn that clients surely notice; shorter ones are a matter of metrics. */
const HELD_UP_MS = 1000;

/** The main thread serves all connections: while it is busy with one thing, nobody else is answered. */
export function threadHealth(longestMs: number): Health {
  const part = 'main thread';
  const says = `busy with one thing for at most ${Math.round(longestMs)} ms within the last two minutes`;
  if (longestMs < HELD_UP_MS) return { part, level: 'ok', says, next: '' };
  return { part, level: 'degraded', says, next: 'all mail waited for that: report it, with the log of that time' };
}

/** What is going on at this moment. */
export interface Load {
  readonly connections: number;
  readonly scans: number;
}

/** /health: 200 while mail is taken and scanned, 503 when a part is down. /metrics: for Prometheus. */
export function healthRoutes(report: () => Promise<HealthReport>, metrics: Metrics, load: () => Load): HttpRoute[] {
  const connections = metrics.gauge('connections', 'SMTP connections that are open');
  const scans = metrics.gauge('scans_in_flight', 'Messages that wait for their verdict');
  return [
    {
      method: 'GET',
      path: '/health',
      handler: async () => {
        const body = await report();
        return { status: body.level === 'down' ? 503 : 200, body };
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      handler: async () => {
        const now = load();
        connections.set(now.connections);
        scans.set(now.scans);
        return { status: 200, text: await metrics.text(), contentType: 'text/plain; version=0.0.4' };
      },
    },
  ];
}
