// The settings as the rest of Postern gets them from main.ts: complete, checked, paths absolute, times in milliseconds,
// sizes in bytes. Made by resolve.ts from what the table read; nobody changes them.

import type { Policy } from '../mail/policy.ts';
import type { SocketAddress } from './network.ts';
import type { HopHost } from './next-hop.ts';
import type { Parsed } from './table.ts';
import type { Bytes, Milliseconds } from './units.ts';

/** Deep: lists and objects are readonly too. */
export type Frozen<T> =
  T extends ReadonlyMap<infer K, infer V>
    ? ReadonlyMap<K, Frozen<V>>
    : T extends readonly (infer E)[]
      ? readonly Frozen<E>[]
      : T extends object
        ? { readonly [K in keyof T]: Frozen<T[K]> }
        : T;

export interface NextHopSettings {
  /** As in the settings, hosts joined by a comma. */
  readonly name: string;
  /** All of one kind; at least one. */
  readonly hosts: readonly HopHost[];
  /** none: never. may: when offered, any certificate. must: always, any certificate. verify: always, a right one. */
  readonly tls: 'none' | 'may' | 'must' | 'verify';
  /** PEM file of the authorities that `verify` trusts; null: the public ones. */
  readonly ca: string | null;
  /** To each host, at a time. */
  readonly connections: number;
  readonly timeouts: { readonly connect: Milliseconds; readonly reply: Milliseconds; readonly afterDot: Milliseconds };
}

export interface DomainSettings {
  readonly nextHop: NextHopSettings;
  /** A key of `policies`. */
  readonly policy: string;
  /** Local part in lower case → a key of `policies`. */
  readonly addresses: ReadonlyMap<string, string>;
}

export interface ListenerSettings {
  readonly name: string;
  readonly address: SocketAddress;
  readonly accept: 'inline';
  readonly trusted: boolean;
  /** CIDR; empty where the listener is not trusted. */
  readonly networks: readonly string[];
}

/** Where something is reached: one of our own children, a socket of this machine, or a host. */
export type ClamavAddress =
  | { readonly kind: 'embedded' }
  | { readonly kind: 'unix'; readonly path: string }
  | ({ readonly kind: 'tcp' } & SocketAddress);

/** An answer of a list, and the symbol it stands for. */
export type DnsListCode =
  | { readonly kind: 'range'; readonly first: string; readonly last: string; readonly symbol: string }
  | { readonly kind: 'bit'; readonly bit: number; readonly symbol: string };

export interface DnsListSettings {
  readonly zone: string;
  readonly kind: 'ip' | 'domain';
  readonly codes: readonly DnsListCode[];
  /** Always listed, never listed (RFC 5782 section 5): an address or a name, not yet reversed. */
  readonly test: { readonly listed: string; readonly notListed: string };
}

/** The groups of the table that are handed on as they were read. */
type AsRead = Frozen<
  Pick<Parsed, 'redis' | 'dns' | 'limits' | 'timeouts' | 'bareNewlines' | 'nextHopText' | 'http' | 'log'>
>;

export interface Settings extends AsRead {
  /** The file they were read from, absolute; null for those of the built-in demo, and for a text in memory. */
  readonly file: string | null;
  /** Lower case. */
  readonly hostname: string;
  /** Absolute, as all paths here. */
  readonly data: string;
  readonly listeners: readonly ListenerSettings[];
  /** null: make a self-signed certificate. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
  /** By domain in lower-case A-labels. A map, for a name such as `constructor` must find nothing in it. */
  readonly domains: ReadonlyMap<string, DomainSettings>;
  /** null: mail to domains that are not ours is refused. */
  readonly outgoing: { readonly nextHop: NextHopSettings; readonly policy: string } | null;
  /** Complete; `default` is always among them. */
  readonly policies: ReadonlyMap<string, Policy>;
  readonly scanners: {
    readonly rules: { readonly folders: readonly RuleFolder[]; readonly deadline: Milliseconds };
    readonly clamav: Frozen<Omit<Parsed['scanners']['clamav'], 'address'>> & { readonly address: ClamavAddress };
    readonly senderAuth: Frozen<Parsed['scanners']['senderAuth']>;
    readonly dnsLists: {
      readonly enabled: boolean;
      readonly deadline: Milliseconds;
      readonly lists: readonly DnsListSettings[];
    };
  };
  readonly diskReserve: Bytes;
  /** True when the demo domain stands in for domains nobody has written yet. */
  readonly isDemo: boolean;
}

export interface RuleFolder {
  readonly path: string;
  /** shipped: comes with Postern. site: of this site, read after it. */
  readonly kind: 'shipped' | 'site';
  /** rules/local of the default need not exist. */
  readonly mayBeMissing: boolean;
}
