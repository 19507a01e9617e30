// Addresses and networks as text: one canonical form, membership, and the network a client counts as. Used by rates.ts
// and, as plain functions from main.ts, by the gateway. Wraps ipaddr.js, whose lenient forms of IPv4
// (octal, hexadecimal, fewer than four parts) are kept out.

import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** `FFFF:…:255.255.255.255` with a prefix length. Longer text is no address. */
const TEXT_MAX = 49;
/** RFC 6177: the least a site gets is a /64, so its host part says nothing. */
const CLIENT_PREFIX_IPV6 = 64;

/**
 * The one form of an address: lower case, zeros compressed, an IPv4-mapped IPv6 address as IPv4. null for what is none,
 * also for one with a zone (`%eth0`).
 */
export function canonicalAddress(text: string): string | null {
  return parse(text)?.toString() ?? null;
}

/** What a client counts as: its IPv4 address, or the /64 of its IPv6 address, written `2001:db8:1:2::/64`. null for no address. */
export function clientNetwork(text: string): string | null {
  const ip = parse(text);
  if (ip === null) return null;
  if (ip.kind() === 'ipv4') return ip.toString();
  const bytes = ip.toByteArray().map((byte, i) => (i < CLIENT_PREFIX_IPV6 / 8 ? byte : 0));
  return `${ipaddr.fromByteArray(bytes).toString()}/${CLIENT_PREFIX_IPV6}`;
}

/** Is it `192.0.2.0/24`, `2001:db8::/32`, or an address? Bits beyond the prefix are an error, they are a slip of the pen. */
export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== null;
}

/** Is the address in one of the networks? What is no address is in none; a network that is none holds nobody. */
export function inNetworks(address: string, networks: readonly string[]): boolean {
  return networkMatcher(networks)(address);
}

/** As inNetworks, the networks read once. */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const parsed = networks.map(parseNetwork).filter(network => network !== null);
  return address => {
    const ip = parse(address);
    return ip !== null && parsed.some(([base, bits]) => base.kind() === ip.kind() && ip.match(base, bits));
  };
}

function parse(text: string): Ip | null {
  if (text.length > TEXT_MAX || text.includes('%') || text.includes('/')) return null;
  if (!text.includes(':')) return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : null;
  if (!ipaddr.IPv6.isValid(text)) return null;
  const ip = ipaddr.IPv6.parse(text);
  return ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}

function parseNetwork(text: string): [Ip, number] | null {
  const [, base, length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = base === undefined ? null : parse(base);
  if (ip === null || base === undefined) return null;
  const most = ip.kind() === 'ipv4' ? 32 : 128;
  // `::ffff:192.0.2.0/120` was written for the mapped form: its prefix counts from the 96 bits before.
  const isFolded = ip.kind() === 'ipv4' && base.includes(':');
  const bits = length === undefined ? most : Number(length) - (isFolded ? 96 : 0);
  if (bits < 0 || bits > most) return null;
  return hasHostBits(ip, bits) ? null : [ip, bits];
}

function hasHostBits(ip: Ip, bits: number): boolean {
  return ip.toByteArray().some((byte, i) => {
    const kept = Math.min(8, Math.max(0, bits - i * 8));
    return (byte & (0xff >> kept)) !== 0;
  });
}
