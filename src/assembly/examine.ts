// The checks of `postern doctor`: settings and rules, ports, next hops, virus scanner, Redis, disk, DNS. Each asks the
// part itself, whether a gateway runs or not, and says what to do next. Where one runs, what it still has of older
// settings is no fault of the part: the answer is a reload or a restart.

import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Health } from '../mail/ports.ts';
import { hasSignatures } from '../platform/clamd.ts';
import { pause } from '../platform/deadline.ts';
import { CachedResolver, isNoRecord } from '../platform/dns.ts';
import { errorText, silentLog } from '../platform/log.ts';
import { BadFile } from '../platform/problem.ts';
import { findProgram } from '../platform/program.ts';
import { connectRedis } from '../platform/redis.ts';
import { socketPath } from '../platform/unix-socket.ts';
import type { Status } from './control.ts';
import { SIGNATURES } from './daemons.ts';
import { dataFolderHealth } from './data-folder.ts';
import { NO_VIRUS_SCANNER } from './health.ts';
import { placesHealth } from './listening.ts';
import { createRoutes } from './router.ts';
import { createScanners } from './scanners.ts';
import { readRules } from './scanning.ts';

/** For one part; several are asked at once. */
const REDIS_WITHIN_MS = 2000;

/** What it needs to know of the gateway that runs. */
export type Running = Pick<Status, 'greetingWord' | 'waiting'> & { readonly rules: { readonly digest: string } };

export async function examine(settings: Settings, running: Running | null): Promise<readonly Health[]> {
  const isRunning = running !== null;
  const groups = await Promise.all([
    rulesHealth(settings, running),
    isRunning ? [] : placesHealth(settings),
    nextHops(settings, running?.greetingWord ?? null),
    virusScannerHealth(settings, running),
    redis(settings, running),
    [await dataFolderHealth(settings)],
    dns(settings),
  ]);
  return groups.flat();
}

/** Those on the disk, and whether the gateway that runs has them. */
export async function rulesHealth(settings: Settings, running: Running | null): Promise<Health[]> {
  const part = 'settings and rules';
  try {
    const source = readRules(settings);
    const demo = settings.isDemo ? ', the built-in demo: no domain of yours is named yet' : '';
    const next = settings.isDemo ? 'write a postern.yaml with your domain and its next hop' : '';
    const says = `${counted(settings.domains.size, 'domain')}, ${counted(source.rules.length, 'rule')}${demo}`;
    const waits = running === null ? null : notTaken(running, source.digest);
    if (waits !== null) return [{ part, level: 'degraded', says: `${says}; ${waits.says}`, next: waits.next }];
    return [{ part, level: settings.isDemo ? 'degraded' : 'ok', says, next }];
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    const first = error.problems[0];
    const says = `${counted(error.problems.length, 'problem')} in the rules, first ${first?.file}:${first?.line}: ${first?.message}`;
    return [{ part, level: 'down', says, next: 'postern rules lint' }];
  }
}

/** What the running gateway does not know yet of the files, and how it gets it; null where it has all. */
function notTaken({ waiting, rules }: Running, digest: string): { says: string; next: string } | null {
  const live = [...waiting.live, ...(rules.digest === digest ? [] : ['the rules'])];
  if (live.length === 0 && waiting.restart.length === 0) return null;
  const forReload = live.length === 0 ? [] : [`a reload: ${someOf(live)}`];
  const forRestart = waiting.restart.length === 0 ? [] : [`a restart: ${someOf(waiting.restart)}`];
  const says = `the running gateway has an older version, waiting for ${[...forReload, ...forRestart].join('; for ')}`;
  // A restart takes what a reload would.
  return { says, next: waiting.restart.length > 0 ? 'restart the gateway' : 'postern reload' };
}

/** Of many, for instance domains. */
const NAMED_MAX = 5;

function someOf(names: readonly string[]): string {
  const more = names.length - NAMED_MAX;
  return more <= 0 ? names.join(', ') : `${names.slice(0, NAMED_MAX).join(', ')} and ${more} more`;
}

/** The setting below `group` that the running gateway has another value of, as what to do; '' where there is none. */
function restartFor(group: string, running: Running | null): string {
  const keys = running?.waiting.restart.filter(key => key === group || key.startsWith(`${group}.`)) ?? [];
  return keys.length === 0
    ? ''
    : `restart the gateway: ${keys.join(', ')} ${keys.length === 1 ? 'waits' : 'wait'} for it`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

async function nextHops(settings: Settings, ownWord: string | null): Promise<Health[]> {
  const routes = createRoutes(settings, { log: silentLog(), ownWord });
  try {
    // Each names itself in what it says: a row begins with words of one width.
    return await Promise.all([...routes.hopsBySettings.values()].map(hop => hop.health()));
  } finally {
    await Promise.all([...routes.hopsBySettings.values()].map(hop => hop.close()));
  }
}

/** `signatures`: where those of this machine lie. */
export async function virusScannerHealth(
  settings: Settings,
  running: Running | null,
  signatures = SIGNATURES,
): Promise<Health[]> {
  const part = 'virus scanner';
  const restart = restartFor('scanners.clamav', running);
  if (!settings.scanners.clamav.enabled) {
    if (restart === '') return [{ part, level: 'ok', says: NO_VIRUS_SCANNER, next: '' }];
    const says = 'switched off in the settings, not yet in the running gateway';
    return [{ part, level: 'degraded', says, next: restart }];
  }
  if (settings.scanners.clamav.address.kind === 'embedded' && running === null) {
    const clamd = await startable(part, 'clamd', 'clamav-daemon');
    if (clamd.level !== 'ok' || (await hasSignatures(signatures))) return [clamd];
    const says = `clamd is installed, but there are no virus signatures in ${signatures}`;
    return [{ part, level: 'down', says, next: 'run freshclam, and let the service clamav-freshclam keep them new' }];
  }
  const resolver = new CachedResolver({ servers: settings.dns.servers });
  const clamdSocket = await socketPath(join(settings.data, 'clamd'), 'clamd.sock');
  const scanners = createScanners({
    settings,
    resolver,
    clamdSocket,
    hasOnlyOwnSignatures: () => false,
    log: silentLog(),
  });
  try {
    const clamav = scanners.find(scanner => scanner.name === 'clamav');
    if (clamav === undefined) return [];
    const health = await clamav.health();
    return [{ ...health, part, ...(health.level === 'down' && restart !== '' ? { next: restart } : {}) }];
  } finally {
    await Promise.all(scanners.map(scanner => scanner.close()));
    resolver.close();
  }
}

/** A child of a gateway that does not run: that it does not run either is said once, in the gateway's own row. */
async function startable(part: string, name: string, debianPackage: string): Promise<Health> {
  if ((await findProgram(name)) !== null) {
    return { part, level: 'ok', says: `${name} is installed and starts with the gateway`, next: '' };
  }
  const next = `apt-get install ${debianPackage}, or npm start, which does it`;
  return { part, level: 'down', says: `${name} is not installed`, next };
}

async function redis(settings: Settings, running: Running | null): Promise<Health[]> {
  return Promise.all(
    (['queue', 'memory'] as const).map(async kind => {
      const part = `Redis (${kind})`;
      const named = settings.redis[kind];
      if (named === 'embedded' && running === null) {
        return startable(part, 'redis-server', 'redis-server');
      }
      const socket = await socketPath(join(settings.data, 'redis', kind), 'redis.sock');
      const health = await pinged(part, named === 'embedded' ? `unix://${socket}` : named);
      const restart = restartFor(`redis.${kind}`, running);
      return health.level === 'down' && restart !== '' ? { ...health, next: restart } : health;
    }),
  );
}

async function pinged(part: string, url: string): Promise<Health> {
  const connection = connectRedis({ url, name: 'postern-doctor', commandTimeoutMs: REDIS_WITHIN_MS, log: silentLog() });
  try {
    for (const until = Date.now() + REDIS_WITHIN_MS; !connection.isReady() && Date.now() < until; ) await pause(50);
    await connection.ping();
    return { part, level: 'ok', says: 'answers', next: '' };
  } catch (error) {
    const next = part.includes('queue')
      ? 'start it: until then mail gets 451'
      : 'start it: until then nothing is limited by rate';
    return { part, level: 'down', says: `no answer: ${errorText(error)}`, next };
  } finally {
    await connection.close();
  }
}

/** Does the resolver answer, and do the domains' MX records lead here? */
async function dns(settings: Settings): Promise<Health[]> {
  const resolver = new CachedResolver({ servers: settings.dns.servers, deadlineMs: settings.dns.timeout });
  try {
    const domains = settings.isDemo ? [] : [...settings.domains.keys()];
    const answers = await Promise.all([
      rootServers(resolver),
      ...domains.map(domain => mx(resolver, domain, settings.hostname)),
    ]);
    return answers;
  } finally {
    resolver.close();
  }
}

async function rootServers(resolver: CachedResolver): Promise<Health> {
  const part = 'DNS';
  try {
    await resolver.resolve('.', 'NS');
    return { part, level: 'ok', says: 'the resolver answers', next: '' };
  } catch (error) {
    if (isNoRecord(error)) return { part, level: 'ok', says: 'the resolver answers', next: '' };
    const next =
      'check the name servers (dns.servers, or /etc/resolv.conf): without them no sender and no list can be checked';
    return { part, level: 'down', says: `the resolver does not answer: ${errorText(error)}`, next };
  }
}

async function mx(resolver: CachedResolver, domain: string, hostname: string): Promise<Health> {
  const part = `MX of ${domain}`;
  try {
    const records = await resolver.resolve(domain, 'MX');
    const names = records.map(record => record.exchange.toLowerCase().replace(/\.$/, ''));
    if (names.includes(hostname)) return { part, level: 'ok', says: `leads to ${hostname}`, next: '' };
    const next = `let it name ${hostname} when mail is to come through here, or correct hostname in the settings`;
    return { part, level: 'degraded', says: `leads to ${names.join(', ').slice(0, 200)}`, next };
  } catch (error) {
    if (!isNoRecord(error)) {
      return { part, level: 'degraded', says: `cannot be looked up: ${errorText(error)}`, next: 'see DNS above' };
    }
    const next = `make an MX record that names ${hostname}, when mail is to come through here`;
    return { part, level: 'degraded', says: 'there is none', next };
  }
}
