// Health: what is protected, what is not, and what to do. One report for the HTTP page, the control socket and doctor.

import type { Health, NextHop } from '../mail/ports.ts';
import type { HttpRoute } from '../platform/http.ts';
import { errorText } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { BadFile } from '../platform/problem.ts';

export interface HealthReport {
  /** When the parts were asked, epoch milliseconds: a report is kept for some seconds. */
  readonly askedAt: number;
  /** The worst of all parts. */
  readonly level: Health['level'];
  /** What mail is protected by now: `viruses`, `forged senders` … */
  readonly protects: readonly string[];
  readonly doesNotProtect: readonly string[];
  /** Of those the ones that the settings have switched off: a choice and no fault. */
  readonly switchedOff: readonly string[];
  readonly parts: readonly Health[];
}

/** What each scanner stands for, in the administrator's words. */
const VIRUSES = 'viruses';
const PROTECTION: Readonly<Record<string, string>> = {
  rules: 'spam, by rules',
  clamav: VIRUSES,
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

function offIn(protection: string): string {
  return `switched off in the settings: no protection from ${protection}`;
}

/** What is said of the virus scanner where the settings have none. */
export const NO_VIRUS_SCANNER = offIn(VIRUSES);

/** Asks every part at once; one that does not answer in time is down. `off`: scanners that the settings switch off. */
export async function healthReport(
  ask: readonly (AskHealth | NamedAsk)[],
  off: readonly string[] = [],
): Promise<HealthReport> {
  const askedAt = Date.now();
  const named = ask.map(one => (typeof one === 'function' ? { part: 'unknown', ask: one } : one));
  const asked = await Promise.all(named.map(askPart));
  const parts = asked.map(part => (LESSER.has(part.part) && part.level === 'down' ? { ...part, level: YELLOW } : part));
  const level = parts.some(part => part.level === 'down')
    ? 'down'
    : parts.some(part => part.level === 'degraded')
      ? 'degraded'
      : 'ok';
  // Well, for a choice is no fault; but what protects is only what works.
  const chosen = off.map(part => ({ part, level: 'ok' as const, says: offIn(PROTECTION[part] ?? part), next: '' }));
  const working = new Set(asked.filter(part => part.level !== 'down').map(part => part.part));
  const known = Object.entries(PROTECTION);
  return {
    askedAt,
    level,
    protects: known.filter(([part]) => working.has(part)).map(([, what]) => what),
    doesNotProtect: known.filter(([part]) => !working.has(part)).map(([, what]) => what),
    switchedOff: known.filter(([part]) => off.includes(part)).map(([, what]) => what),
    parts: [...parts, ...chosen],
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

/** The parts of a gateway that runs. */
export interface AllParts {
  readonly rules: { readonly digest: string };
  /** Why the last reload failed, null where it did not. */
  readonly reloadTrouble: ReloadTrouble | null;
  readonly metrics: Pick<Metrics, 'turns'>;
  readonly pipeline: { parts(): Promise<readonly Health[]> };
  /** Those that the settings ask for. */
  readonly scanners: readonly { readonly name: string; health(): Promise<Health> }[];
  readonly expander: { health(): Promise<Health> } | undefined;
  readonly daemons: { health(): readonly Health[] };
  readonly records: Readonly<Record<'store' | 'spool' | 'quarantine', { health(): Promise<Health> }>>;
  readonly rates: { health(): Promise<Health> } | null;
  readonly resolver: { health(): Health | Promise<Health> };
  readonly hops: readonly Pick<NextHop, 'name' | 'health'>[];
}

export async function healthOfAll(parts: AllParts): Promise<HealthReport> {
  const { metrics, pipeline, scanners, expander, daemons, records, rates, resolver, hops } = parts;
  const ofPipeline = await pipeline.parts();
  const missing = (part: string): Health => ({ part, level: 'down', says: 'not started', next: '' });
  // The rules cannot be switched off.
  const names = new Set(['rules', ...scanners.map(scanner => scanner.name)]);
  const off = Object.keys(PROTECTION).filter(part => !names.has(part));
  const all = [
    () => reloadHealth(parts),
    () => threadHealth(metrics.turns.lately()),
    ...ofPipeline.map(health => () => health),
    ...scanners.map(scanner => ({ part: scanner.name, ask: () => scanner.health() })),
    () => expander?.health() ?? missing('rules'),
    ...daemons.health().map(health => () => health),
    () => records.store.health(),
    () => records.spool.health(),
    () => records.quarantine.health(),
    () => rates?.health() ?? missing('rates'),
    () => resolver.health(),
    ...askHops(hops),
  ];
  return healthReport(all, off);
}

/** After a reload that failed: the old version holds, and somebody believes in the new one. */
function reloadHealth({ rules, reloadTrouble }: Pick<AllParts, 'rules' | 'reloadTrouble'>): Health {
  const part = 'settings and rules';
  if (reloadTrouble === null) return { part, level: 'ok', says: `rules ${rules.digest}`, next: '' };
  const says = `the last reload failed, the old version holds: ${reloadTrouble.says}`;
  return { part, level: 'degraded', says, next: reloadTrouble.next };
}

export interface ReloadTrouble {
  /** One line. */
  readonly says: string;
  readonly next: string;
}

/** Of a file with many problems the first, as one line: the others, with lines and carets, are a command away. */
export function reloadTroubleOf(error: unknown): ReloadTrouble {
  const first = error instanceof BadFile ? error.problems[0] : undefined;
  if (!(error instanceof BadFile) || first === undefined) {
    return { says: errorText(error), next: 'see the log, then postern reload' };
  }
  const { file, line, column, message } = first;
  const count = error.problems.length;
  // The settings are read before the rules, and by this command too: it tells all problems of either.
  const says = `${file}:${line}:${column}: ${message}${count === 1 ? '' : `, the first of ${count} problems`}`;
  return { says, next: 'postern rules lint shows all of it; mend the file, then postern reload' };
}

/** The last report, so that whoever asks often does not open a session to every next hop each time. */
export class HealthCache {
  readonly #ask: () => Promise<HealthReport>;
  #last: HealthReport | null = null;
  #asking: Promise<HealthReport> | null = null;

  constructor(ask: () => Promise<HealthReport>) {
    this.#ask = ask;
  }

  /** A report that is no older than `maxAgeMs`; who asks while the parts are being asked hears the same. */
  async report(maxAgeMs: number): Promise<HealthReport> {
    if (this.#last !== null && Date.now() - this.#last.askedAt < maxAgeMs) return this.#last;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    this.#last = await this.#asking;
    return this.#last;
  }
}

/** What is going on at this moment. */
export interface Load {
  readonly connections: number;
  readonly scans: number;
}

/** A monitoring may ask as often as it likes: the next hops are asked no more often than this. */
const PUBLIC_MAX_AGE_MS = 5000;

/** /health: 200 while mail is taken and scanned, 503 when a part is down. /metrics: for Prometheus. */
export function healthRoutes(
  report: (maxAgeMs: number) => Promise<HealthReport>,
  metrics: Metrics,
  load: () => Load,
): HttpRoute[] {
  const connections = metrics.gauge('connections', 'SMTP connections that are open');
  const scans = metrics.gauge('scans_in_flight', 'Messages that wait for their verdict');
  return [
    {
      method: 'GET',
      path: '/health',
      handler: async () => {
        const { askedAt, ...rest } = await report(PUBLIC_MAX_AGE_MS);
        const body = { ...rest, askedAt, ageSeconds: Math.max(0, Math.round((Date.now() - askedAt) / 1000)) };
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
