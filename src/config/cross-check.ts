// What no single value can tell: names that nothing has, addresses used twice, loops, an open relay. Called by load.ts
// on what the table could read; every complaint points at a place in the file.

import { dirname, resolve } from 'node:path';

import { parseAddress, parseDomain } from '../mail/address.ts';
import { canonicalAddress, parseNetwork } from '../platform/network.ts';
import { nearest } from '../platform/problem.ts';
import type { YamlPath } from '../platform/yaml.ts';
import { isLoopback, isTooWide, isWildcard, type SocketAddress, socketText } from './network.ts';
import { isOneKind } from './next-hop.ts';
import {
  domainName,
  type Folders,
  hostsOf,
  type RawHop,
  resolvePolicies,
  resolveSettings,
  type World,
} from './resolve.ts';
import type { Settings } from './settings.ts';
import type { Parsed } from './table.ts';
import { sizeText } from './units.ts';

export interface Complaint {
  readonly path: YamlPath;
  readonly where: 'key' | 'value';
  readonly message: string;
  readonly hint: string;
  /** Points here where nothing stands at `path`: of two settings that do not fit, the one that is written. */
  readonly orPath?: YamlPath;
}

/** Where the file lies, and the machine it is for. */
export interface Place {
  readonly folders: Folders;
  readonly world: World;
}

interface Checked {
  readonly parsed: Parsed;
  readonly settings: Settings;
  readonly world: World;
  /** Folder that relative paths start from. */
  readonly base: string;
}

/** Each check with the keys it reads: it is left out where the table could not read one of them. */
const CHECKS: readonly { readonly reads: readonly string[]; readonly check: (checked: Checked) => Complaint[] }[] = [
  { reads: ['listeners', 'http'], check: checkListeners },
  { reads: ['listeners', 'domains', 'outgoing'], check: checkReach },
  { reads: ['domains'], check: checkDomains },
  { reads: ['domains', 'outgoing', 'policies'], check: checkPolicyNames },
  { reads: ['policies'], check: checkThresholds },
  { reads: ['domains', 'outgoing'], check: checkHopForms },
  { reads: ['domains', 'outgoing', 'listeners', 'hostname'], check: checkLoops },
  { reads: ['tls'], check: checkTls },
  { reads: ['limits'], check: checkLimits },
  { reads: ['redis'], check: checkRedis },
  { reads: ['scanners'], check: checkLists },
  { reads: ['scanners'], check: checkFolders },
];

/** `unread`: keys of the top level that hold something the table could not read; `parsed` has their defaults. */
export function crossCheck(parsed: Parsed, unread: ReadonlySet<string>, at: Place): readonly Complaint[] {
  const checked = {
    parsed,
    settings: resolveSettings(parsed, at.folders, at.world),
    world: at.world,
    base: at.folders.base,
  };
  const checks = CHECKS.filter(({ reads }) => !reads.some(key => unread.has(key)));
  return checks.flatMap(({ check }) => check(checked));
}

function complaint(path: YamlPath, message: string, hint: string): Complaint {
  return { path, where: 'value', message, hint };
}

function atKey(path: YamlPath, message: string, hint: string): Complaint {
  return { path, where: 'key', message, hint };
}

// ---------------------------------------------------------------- listeners

function checkListeners({ parsed }: Checked): Complaint[] {
  return parsed.listeners.flatMap((listener, i) => {
    const earlier = parsed.listeners.slice(0, i);
    const path = ['listeners', i];
    const found: Complaint[] = [];
    if (earlier.some(other => other.name === listener.name)) {
      found.push(complaint([...path, 'name'], `two listeners are called "${listener.name}"`, 'give each its own name'));
    }
    const rival = earlier.find(other => isSameSocket(other.address, listener.address));
    if (rival !== undefined) {
      const message = `${socketText(listener.address)} is taken by the listener "${rival.name}"`;
      found.push(complaint([...path, 'address'], message, 'give it another port or address'));
    }
    if (parsed.http !== 'off' && isSameSocket(parsed.http, listener.address)) {
      const message = `${socketText(listener.address)} is taken by http (${socketText(parsed.http)})`;
      found.push(complaint([...path, 'address'], message, 'give one of them another port'));
    }
    if (listener.networks !== undefined && !listener.trusted) {
      const hint = 'add trusted: true if its clients may send mail to everywhere, else take networks away';
      found.push(atKey([...path, 'networks'], 'networks are for trusted listeners only', hint));
    }
    return [
      ...found,
      ...(listener.networks ?? []).flatMap((network, j) => checkNetwork(network, [...path, 'networks', j])),
    ];
  });
}

/** I6: never an open relay. */
function checkNetwork(text: string, path: YamlPath): Complaint[] {
  const network = parseNetwork(text);
  if (network === null || !isTooWide(network)) return [];
  const message = `"${text}" lets the Internet send mail through you to everybody: an open relay`;
  return [complaint(path, message, 'name only the networks of your own servers, such as "192.0.2.0/24"')];
}

function isSameSocket(a: SocketAddress, b: SocketAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  if (a.host === b.host || (isLoopback(a.host) && isLoopback(b.host) && [a.host, b.host].includes('localhost')))
    return true;
  // `::` takes IPv4 too; 0.0.0.0 only itself and what is below it.
  const isUnder = (wild: string, other: string) => isWildcard(wild) && (wild.includes(':') || !other.includes(':'));
  return isUnder(a.host, b.host) || isUnder(b.host, a.host);
}

/** Who listens to the world has to say for which domains. */
function checkReach({ parsed, settings }: Checked): Complaint[] {
  if (settings.domains.size === 0 && settings.outgoing === null) {
    return [atKey(['domains'], 'no domain and no outgoing next hop: there is no mail to take', DOMAIN_HINT)];
  }
  return parsed.listeners.flatMap((listener, i) => {
    const hasDomains = settings.domains.size > 0 && !settings.isDemo;
    if (hasDomains || listener.trusted || isLoopback(listener.address.host)) return [];
    const message = `"${listener.name}" listens to other machines, but no domains are set: all their mail would be refused`;
    return [complaint(['listeners', i, 'address'], message, DOMAIN_HINT)];
  });
}

const DOMAIN_HINT = 'add domains: {example.org: {nextHop: "smtp://10.0.0.5:25"}} with your own domain and server';

// ---------------------------------------------------------------- domains, policies, next hops

function checkDomains({ parsed }: Checked): Complaint[] {
  const seen = new Map<string, string>();
  return Object.entries(parsed.domains ?? {}).flatMap(([name, domain]) => {
    const path = ['domains', name];
    const found: Complaint[] = [];
    const normal = parseDomain(name);
    if (normal === null || canonicalAddress(name) !== null) {
      found.push(
        atKey(path, `"${name}" is no domain`, 'write what stands behind the @ of your addresses: example.org'),
      );
    }
    const twin = seen.get(domainName(name));
    if (twin !== undefined) {
      found.push(atKey(path, `"${name}" and "${twin}" are the same domain (${domainName(name)})`, 'join the two'));
    }
    seen.set(domainName(name), name);
    return [...found, ...checkAddresses(Object.keys(domain.addresses), path)];
  });
}

function checkAddresses(locals: readonly string[], path: YamlPath): Complaint[] {
  const seen = new Map<string, string>();
  return locals.flatMap(local => {
    const at = [...path, 'addresses', local];
    const twin = seen.get(local.toLowerCase());
    seen.set(local.toLowerCase(), local);
    if (twin !== undefined)
      return [atKey(at, `"${local}" and "${twin}" are the same address`, 'take one of them away')];
    if (parseAddress(`${local}@example.org`) !== null) return [];
    return [atKey(at, `"${local}" cannot stand before the @ of an address`, '')];
  });
}

function checkPolicyNames({ parsed, settings }: Checked): Complaint[] {
  const check = (path: YamlPath, name: string): Complaint[] => {
    if (settings.policies.has(name)) return [];
    const near = nearest(name, settings.policies.keys());
    const known = [...settings.policies.keys()].slice(0, 10).join(', ');
    const hint = near === null ? `add it under policies, or use one of these: ${known}` : `did you mean "${near}"?`;
    return [complaint(path, `there is no policy "${name}"`, hint)];
  };
  const domains = Object.entries(parsed.domains ?? {}).flatMap(([name, domain]) => [
    ...check(['domains', name, 'policy'], domain.policy),
    ...Object.entries(domain.addresses).flatMap(([local, policy]) =>
      check(['domains', name, 'addresses', local], policy),
    ),
  ]);
  return parsed.outgoing === undefined
    ? domains
    : [...domains, ...check(['outgoing', 'policy'], parsed.outgoing.policy)];
}

function checkThresholds({ parsed }: Checked): Complaint[] {
  const order = ['tag', 'quarantine', 'reject'] as const;
  return [...resolvePolicies(parsed)].flatMap(([name, { thresholds }]) => {
    const own = parsed.policies[name]?.thresholds;
    const wrong = order.slice(1).find((step, i) => thresholds[step] < thresholds[order[i] ?? 'tag']);
    if (own === undefined || wrong === undefined) return [];
    const values = order.map(step => `${step} ${thresholds[step]}${own[step] === undefined ? ' (from default)' : ''}`);
    const message = `the thresholds of policy "${name}" are out of order: ${values.join(', ')}`;
    return [complaint(['policies', name, 'thresholds'], message, 'they must rise: tag, then quarantine, then reject')];
  });
}

interface HopPlace {
  readonly raw: RawHop;
  readonly path: YamlPath;
}

function hopsOf({ parsed: { domains = {}, outgoing } }: Checked): HopPlace[] {
  const ofDomains = Object.entries(domains).map(([name, { nextHop }]) => ({
    raw: nextHop,
    path: ['domains', name, 'nextHop'],
  }));
  return outgoing === undefined ? ofDomains : [...ofDomains, { raw: outgoing.nextHop, path: ['outgoing', 'nextHop'] }];
}

/** A file that is never looked at would seem to protect. */
function checkAuthorities(
  { tls = 'may', file }: { tls: string | undefined; file: string },
  path: YamlPath,
  world: World,
): Complaint[] {
  if (tls !== 'verify') {
    return [atKey(path, `ca is not looked at with tls: ${tls}`, 'write tls: verify, or take ca away')];
  }
  if (world.exists(file)) return [];
  return [complaint(path, `there is no file ${file}, or it may not be read`, PATH_HINT)];
}

function checkHopForms(checked: Checked): Complaint[] {
  const { base, world } = checked;
  return hopsOf(checked).flatMap(({ raw, path }) => {
    const hosts = hostsOf(raw);
    const found: Complaint[] = [];
    if (!isOneKind(hosts)) {
      const hint = 'hosts that stand in for each other are all smtp:// or all lmtp:; a maildir: stands alone';
      found.push(complaint(path, 'the hosts of a next hop must be of one kind', hint));
    }
    if (!Array.isArray(raw) && 'hosts' in raw && raw.tls !== undefined && hosts.every(host => !('host' in host))) {
      found.push(complaint([...path, 'tls'], 'tls is for smtp:// and lmtp:// only', 'take it away'));
    }
    if (!Array.isArray(raw) && 'hosts' in raw && raw.ca !== undefined) {
      found.push(...checkAuthorities({ tls: raw.tls, file: resolve(base, raw.ca) }, [...path, 'ca'], world));
    }
    return found;
  });
}

function checkLoops(checked: Checked): Complaint[] {
  return hopsOf(checked).flatMap(({ raw, path }) =>
    hostsOf(raw).flatMap((host, i) => {
      if (!('host' in host)) return [];
      const listener = checked.parsed.listeners.find(one => reaches(host, one.address, checked));
      if (listener === undefined) return [];
      const at = Array.isArray(raw) ? [...path, i] : 'hosts' in raw ? [...path, 'hosts', i] : path;
      const message = `${host.text} is our own listener "${listener.name}": mail would go round in a loop`;
      return [complaint(at, message, 'name the server that keeps the mail, or another port')];
    }),
  );
}

/** Does who connects to `hop` get to our own listener? Names are only compared, not looked up. */
function reaches(hop: SocketAddress, listener: SocketAddress, { settings, world }: Checked): boolean {
  if (hop.port !== listener.port) return false;
  const isOwn = isLoopback(hop.host) || hop.host === settings.hostname || world.addresses.includes(hop.host);
  if (isWildcard(listener.host)) return isOwn;
  return (
    hop.host === listener.host ||
    (hop.host === 'localhost' && isLoopback(listener.host)) ||
    (listener.host === 'localhost' && isLoopback(hop.host))
  );
}

// ---------------------------------------------------------------- the rest

function checkTls({ parsed, settings, world }: Checked): Complaint[] {
  if (parsed.tls === undefined) return [];
  const { certificate, key } = parsed.tls;
  if (certificate === undefined && key === undefined) return [];
  if (certificate === undefined) return [atKey(['tls', 'key'], 'a key without its certificate', 'add tls.certificate')];
  if (key === undefined) return [atKey(['tls', 'certificate'], 'a certificate without its key', 'add tls.key')];
  const { tls } = settings;
  return (['certificate', 'key'] as const)
    .filter(name => tls !== null && !world.exists(tls[name]))
    .map(name => {
      const hint = parsed.tls?.[name]?.startsWith('/') === true ? 'let the user that runs Postern read it' : PATH_HINT;
      return complaint(['tls', name], `there is no file ${tls?.[name]}, or it may not be read`, hint);
    });
}

const PATH_HINT = 'paths that do not start with / start at the folder of this file';

function checkLimits({ parsed: { limits } }: Checked): Complaint[] {
  if (limits.bytesInFlight >= limits.messageSize) return [];
  const message = `limits.messageSize (${sizeText(limits.messageSize)}) is more than limits.bytesInFlight (${sizeText(limits.bytesInFlight)}): the largest message could never be scanned`;
  return [
    complaint(['limits', 'messageSize'], message, 'raise limits.bytesInFlight, best to several times messageSize'),
  ];
}

function checkRedis({ parsed: { redis } }: Checked): Complaint[] {
  if (redis.queue === 'embedded' || redis.memory === 'embedded') return [];
  const [queue, memory] = [new URL(redis.queue), new URL(redis.memory)];
  if (queue.hostname !== memory.hostname || (queue.port || '6379') !== (memory.port || '6379')) return [];
  const hint = 'the queue must lose nothing, the memory forgets what is old: that needs two servers';
  return [complaint(['redis', 'memory'], 'redis.queue and redis.memory are the same server', hint)];
}

function checkLists({ parsed }: Checked): Complaint[] {
  const { lists } = parsed.scanners.dnsLists;
  return lists.flatMap((list, i) => {
    const path = ['scanners', 'dnsLists', 'lists', i];
    const found: Complaint[] = [];
    if (lists.slice(0, i).some(other => other.zone === list.zone && other.kind === list.kind)) {
      found.push(complaint([...path, 'zone'], `the list "${list.zone}" stands here twice`, 'join the two'));
    }
    for (const [code] of Object.entries(list.codes)) {
      const [first = '', last] = code.split('-');
      if (last === undefined || Number(first.split('.')[3]) < Number(last)) continue;
      found.push(
        atKey([...path, 'codes', code], `the range "${code}" ends before it begins`, 'write the lower one first'),
      );
    }
    for (const key of ['testListed', 'testNotListed'] as const) {
      if (list.kind === 'domain' || list[key] === undefined || parseNetwork(list[key])?.bits === 32) continue;
      found.push(complaint([...path, key], `"${list[key]}" is no IPv4 address, but this list is asked for them`, ''));
    }
    return found;
  });
}

function checkFolders({ settings, world }: Checked): Complaint[] {
  return settings.scanners.rules.folders.flatMap(({ path, kind, mayBeMissing }, i) => {
    if (kind === 'shipped' || mayBeMissing || world.exists(path)) return [];
    const message = `there is no folder ${path}`;
    const hint = world.exists(dirname(path)) ? 'make it, or take it from the list' : PATH_HINT;
    return [complaint(['scanners', 'rules', 'folders', i], message, hint)];
  });
}
