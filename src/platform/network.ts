// IP addresses and networks as text: one canonical form, membership, the network a client counts as, reverse names.
// Every room uses these and none reads addresses on its own: two readings of one address are how access lists are
// passed. Wraps ipaddr.js, behind Node's own strict syntax. Text only; nothing here opens a socket.

import { isIP } from 'node:net';

import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A network in CIDR notation (RFC 4632, RFC 4291 2.3), or one address with the full prefix. */
export interface Network {
  readonly bits: 32 | 128;
  readonly prefix: number;
  /** Its first address, in canonical form. */
  readonly first: string;
}

/** INET6_ADDRSTRLEN without its NUL: longer text is no address. */
const TEXT_MAX = 45;
/** RFC 6177: the least a site gets is a /64, so its host part says nothing. */
const CLIENT_PREFIX_IPV6 = 64;
/** Before the IPv4 address in an IPv4-mapped one (RFC 4291 2.5.5.2). */
const MAPPED_BITS = 96;

/** IANA special-purpose registries (RFC 6890 and successors): nobody on the Internet sends from these. */
const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['224.0.0.0/3', '::/127', 'fc00::/7', 'fe80::/10', 'ff00::/8'],
];

/**
 * The one form of an address: RFC 5952 (lower case, zeros compressed), an IPv4-mapped IPv6 address as IPv4. null for
 * what is none; also for one with a zone (`%eth0`), for octal, hexadecimal and short forms of IPv4.
 */
export function canonicalAddress(text: string): string | null {
  return parse(text)?.toString() ?? null;
}

/** The other end of a socket, as Node tells it: without its zone, which names an interface of ours. '' where it has gone. */
export function peerAddress(raw: string | undefined): string {
  return canonicalAddress((raw ?? '').replace(/%.*$/s, '')) ?? '';
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. null where it is none, or has bits beyond its prefix: a slip of the pen. */
export function parseNetwork(text: string): Network | null {
  const read = readNetwork(text);
  return read === null || hasHostBits(read) ? null : networkOf(read);
}

/** The network that an address with too short a prefix was probably meant for: `10.0.0.5/8` is in `10.0.0.0/8`. '' where it is none. */
export function networkHint(text: string): string {
  const read = text.includes('/') ? readNetwork(text) : null;
  if (read === null) return '';
  const { first, prefix } = networkOf(read);
  return `the network of that address is "${first}/${prefix}"`;
}

/** Is the address in one of the networks? What is no address is in none; a network that is none holds nobody. */
export function inNetworks(address: string, networks: readonly string[]): boolean {
  return networkMatcher(networks)(address);
}

/** As inNetworks, the networks read once. */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const bases = networks.map(readNetwork).filter(base => base !== null && !hasHostBits(base));
  return address => {
    const ip = parse(address);
    return ip !== null && bases.some(base => base !== null && holds(base, ip));
  };
}

const isSpecial = networkMatcher(SPECIAL);

/** What a client counts as: its IPv4 address, or the /64 of its IPv6 address, written `2001:db8:1:2::/64`. null for no address. */
export function clientNetwork(text: string): string | null {
  const ip = parse(text);
  if (ip === null || ip.kind() === 'ipv4') return ip?.toString() ?? null;
  return `${firstOf({ ip, prefix: CLIENT_PREFIX_IPV6 })}/${CLIENT_PREFIX_IPV6}`;
}

/** Can it be a client from the Internet? False for what is no address. Documentation ranges count as public. */
export function isPublicAddress(text: string): boolean {
  return parse(text) !== null && !isSpecial(text);
}

/** Is any address in it one of the Internet? */
export function holdsPublic(network: Network): boolean {
  return !SPECIAL.some(text => {
    const outer = parseNetwork(text);
    return outer !== null && outer.prefix <= network.prefix && inNetworks(network.first, [text]);
  });
}

/** `7.100.51.198` of 198.51.100.7, 32 nibbles of an IPv6 address (RFC 5782 2.1, 2.4); null for what is no address. */
export function reversedAddress(text: string): string | null {
  const bytes = parse(text)?.toByteArray();
  if (bytes === undefined) return null;
  const parts = bytes.length === 4 ? bytes : bytes.flatMap(byte => [byte >> 4, byte & 15]);
  return parts
    .map(part => part.toString(bytes.length === 4 ? 10 : 16))
    .reverse()
    .join('.');
}

/** `1.2.0.192.in-addr.arpa` (RFC 1035 3.5), or the nibbles under ip6.arpa (RFC 3596 2.5); null for no address. */
export function reverseName(text: string): string | null {
  const reversed = reversedAddress(text);
  if (reversed === null) return null;
  return `${reversed}.${parse(text)?.kind() === 'ipv4' ? 'in-addr' : 'ip6'}.arpa`;
}

/** As written: `ip` may have bits beyond the prefix. */
interface Written {
  readonly ip: Ip;
  readonly prefix: number;
}

function parse(text: string): Ip | null {
  const family = text.length > TEXT_MAX || text.includes('%') ? 0 : isIP(text);
  if (family === 0) return null;
  if (family === 4) return ipaddr.IPv4.parse(text);
  // ipaddr.js takes `::192.0.2.1`, an address of IPv6, for `::ffff:192.0.2.1`: so it never sees dots.
  const ip = ipaddr.IPv6.parse(text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, withoutDots));
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}

function withoutDots(_: string, ...bytes: readonly string[]): string {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

function readNetwork(text: string): Written | null {
  const [, base = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = parse(base);
  if (ip === null) return null;
  const most = ip.kind() === 'ipv4' ? 32 : 128;
  // `::ffff:192.0.2.0/120` was written for the mapped form: its prefix counts from the bits before.
  const folded = most === 32 && base.includes(':') ? MAPPED_BITS : 0;
  const prefix = length === undefined ? most : Number(length) - folded;
  return prefix < 0 || prefix > most ? null : { ip, prefix };
}

function hasHostBits(written: Written): boolean {
  return firstOf(written) !== written.ip.toString();
}

function networkOf(written: Written): Network {
  return { bits: written.ip.kind() === 'ipv4' ? 32 : 128, prefix: written.prefix, first: firstOf(written) };
}

function firstOf({ ip, prefix }: Written): string {
  const bytes = ip.toByteArray().map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, prefix - i * 8))) & 0xff);
  return ipaddr.fromByteArray(bytes).toString();
}

function holds({ ip: base, prefix }: Written, ip: Ip): boolean {
  return base.kind() === ip.kind() && ip.match(base, prefix);
}
