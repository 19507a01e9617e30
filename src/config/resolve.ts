// From what a file says to what holds: demo and defaults filled in, policies completed, names in their one form, paths
// absolute. Called by load.ts after all checks; nothing here can be wrong any more.

import { resolve } from 'node:path';

import { parseDomain } from '../mail/address.ts';
import type { Policy } from '../mail/policy.ts';
import { type HopHost, type HopMaildir, parseHop } from './next-hop.ts';
import type {
  ClamavAddress,
  DnsListSettings,
  DomainSettings,
  ListenerSettings,
  NextHopSettings,
  RuleFolder,
  Settings,
} from './settings.ts';
import { DEMO_DOMAIN, DEMO_HOP, HOP_CONNECTIONS, type Parsed } from './table.ts';
import { SHIPPED } from './table-scanners.ts';

/** What the settings depend on beside the file. */
export interface World {
  /** Name of this machine, as the system tells it. */
  readonly hostName: string;
  /** Addresses of this machine. */
  readonly addresses: readonly string[];
  readonly exists: (path: string) => boolean;
}

/** Folders that relative paths start from: the file's (or the current one), and Postern's own. */
export interface Folders {
  readonly base: string;
  readonly program: string;
  /** The file itself, absolute, where there is one. */
  readonly file?: string;
}

const DEFAULT_POLICY: Policy = {
  name: 'default',
  thresholds: { tag: 5, quarantine: 8, reject: 15 },
  malware: 'quarantine',
  unscannable: 'quarantine',
  unavailable: { clamav: 'defer', '*': 'accept' },
};

/** As `never` in thresholds: no score gets there. */
const NEVER_POINTS = 1_000_000;

const LOCAL_NETWORKS = ['127.0.0.0/8', '::1/128'];
const LOCAL_RULES = 'rules/local';

export function resolveSettings(parsed: Parsed, folders: Folders, world: World): Settings {
  const { redis, dns, limits, timeouts, bareNewlines, nextHopText, http, log, diskReserve } = parsed;
  const data = resolve(folders.base, parsed.data);
  const isDemo = parsed.domains === undefined && parsed.outgoing === undefined;
  const hop = (raw: RawHop): NextHopSettings => resolveHop(raw, { base: folders.base, data }, timeouts);
  const demo = { nextHop: parseHop(DEMO_HOP) as HopHost, policy: 'default', addresses: {} };
  const domains = isDemo ? { [DEMO_DOMAIN]: demo } : (parsed.domains ?? {});
  const outgoing = isDemo ? demo : parsed.outgoing;
  return {
    file: folders.file ?? null,
    hostname: parsed.hostname ?? ownName(world.hostName),
    data,
    listeners: parsed.listeners.map(resolveListener),
    tls: resolveTls(parsed, folders.base),
    domains: new Map(Object.entries(domains).map(([name, domain]) => [domainName(name), resolveDomain(domain, hop)])),
    outgoing: outgoing === undefined ? null : { nextHop: hop(outgoing.nextHop), policy: outgoing.policy },
    policies: resolvePolicies(parsed),
    scanners: resolveScanners(parsed, folders),
    ...{ redis, dns, limits, timeouts, bareNewlines, nextHopText, http, log, diskReserve, isDemo },
  };
}

/** Lower-case A-labels; what is no domain stays as it is, for messages about it. */
export function domainName(text: string): string {
  return parseDomain(text) ?? text;
}

/** The machine's name where it can be a mail server's, else one that promises nothing. */
export function ownName(hostName: string): string {
  const name = hostName.toLowerCase().replace(/\.$/, '');
  return /^(?=.{4,253}$)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*$/.test(name) ? name : 'localhost.localdomain';
}

/** A next hop in any of its forms as a list of hosts. */
export function hostsOf(raw: RawHop): readonly HopHost[] {
  if (Array.isArray(raw)) return raw;
  return 'hosts' in raw ? raw.hosts : [raw];
}

export type RawHop = NonNullable<Parsed['outgoing']>['nextHop'];

function resolveHop(
  raw: RawHop,
  { base, data }: { base: string; data: string },
  usual: Parsed['timeouts'],
): NextHopSettings {
  const hosts = hostsOf(raw).map(host => (host.kind === 'maildir' ? absolute(host, data) : host));
  const own =
    !Array.isArray(raw) && 'hosts' in raw
      ? raw
      : { tls: undefined, ca: undefined, connections: HOP_CONNECTIONS, timeouts: undefined };
  const { connect = usual.hopConnect, reply = usual.hopReply, afterDot = usual.hopAfterDot } = own.timeouts ?? {};
  return {
    name: hosts.map(host => host.text).join(', '),
    hosts,
    tls: own.tls ?? 'may',
    ca: own.ca === undefined ? null : resolve(base, own.ca),
    connections: own.connections,
    timeouts: { connect, reply, afterDot },
  };
}

function absolute(maildir: HopMaildir, data: string): HopMaildir {
  const path = resolve(data, maildir.path);
  return { kind: 'maildir', path, text: `maildir:${path}` };
}

function resolveDomain(
  domain: NonNullable<Parsed['domains']>[string],
  hop: (raw: RawHop) => NextHopSettings,
): DomainSettings {
  const addresses = Object.entries(domain.addresses).map(([local, policy]) => [local.toLowerCase(), policy] as const);
  return { nextHop: hop(domain.nextHop), policy: domain.policy, addresses: new Map(addresses) };
}

function resolveListener(listener: Parsed['listeners'][number]): ListenerSettings {
  const { name, address, accept, trusted, networks = LOCAL_NETWORKS } = listener;
  return { name, address, accept, trusted, networks: trusted ? networks : [] };
}

function resolveTls(parsed: Parsed, base: string): Settings['tls'] {
  const { certificate, key } = parsed.tls ?? {};
  if (certificate === undefined || key === undefined) return null;
  return { certificate: resolve(base, certificate), key: resolve(base, key) };
}

/** Each policy says only what differs from `default`, and `default` what differs from the one built in. */
export function resolvePolicies({ policies }: Pick<Parsed, 'policies'>): ReadonlyMap<string, Policy> {
  const base = override(DEFAULT_POLICY, 'default', policies.default ?? {});
  const named = Object.entries(policies).map(([name, own]) => [name, override(base, name, own)] as const);
  return new Map([['default', base], ...named.filter(([name]) => name !== 'default')]);
}

function override(base: Policy, name: string, own: Parsed['policies'][string]): Policy {
  const { tag, quarantine, reject } = own.thresholds ?? {};
  const pick = (value: number | 'never' | undefined, usual: number) =>
    value === undefined ? usual : value === 'never' ? NEVER_POINTS : value;
  return {
    name,
    thresholds: {
      tag: pick(tag, base.thresholds.tag),
      quarantine: pick(quarantine, base.thresholds.quarantine),
      reject: pick(reject, base.thresholds.reject),
    },
    malware: own.malware ?? base.malware,
    unscannable: own.unscannable ?? base.unscannable,
    unavailable: { ...base.unavailable, ...own.unavailable },
  };
}

function resolveScanners({ scanners, timeouts }: Parsed, folders: Folders): Settings['scanners'] {
  const { rules, clamav, senderAuth, dnsLists } = scanners;
  const within = (deadline: number) => Math.min(deadline, timeouts.scan);
  return {
    rules: { folders: rules.folders.map(path => ruleFolder(path, folders)), deadline: within(rules.deadline) },
    clamav: { ...clamav, address: clamavAddress(clamav.address), deadline: within(clamav.deadline) },
    senderAuth: { ...senderAuth, deadline: within(senderAuth.deadline) },
    dnsLists: { ...dnsLists, deadline: within(dnsLists.deadline), lists: dnsLists.lists.map(resolveList) },
  };
}

function ruleFolder(path: string, folders: Folders): RuleFolder {
  if (path === SHIPPED) return { path: resolve(folders.program, 'rules'), kind: 'shipped', mayBeMissing: false };
  return { path: resolve(folders.base, path), kind: 'site', mayBeMissing: path === LOCAL_RULES };
}

function clamavAddress(address: Parsed['scanners']['clamav']['address']): ClamavAddress {
  if (address === 'embedded') return { kind: 'embedded' };
  return typeof address === 'string' ? { kind: 'unix', path: address } : { kind: 'tcp', ...address };
}

/** RFC 5782 sections 2.1 and 2.2: what every list has and has not. */
function resolveList(list: Parsed['scanners']['dnsLists']['lists'][number]): DnsListSettings {
  const isIp = list.kind === 'ip';
  const codes = Object.entries(list.codes).map(([code, symbol]) => {
    if (code.startsWith('bit ')) return { kind: 'bit', bit: Number(code.slice(4)), symbol } as const;
    const [first = '', end] = code.split('-');
    const last = end === undefined ? first : first.replace(/\d+$/, end);
    return { kind: 'range', first, last, symbol } as const;
  });
  const listed = list.testListed ?? (isIp ? '127.0.0.2' : 'test');
  const notListed = list.testNotListed ?? (isIp ? '127.0.0.1' : 'invalid');
  return { zone: list.zone, kind: list.kind, codes, test: { listed, notListed } };
}
