// Hosts, sockets and networks as the settings write them. Used by the kinds of values and by the cross-checks. Addresses
// themselves are read in platform/network.ts, and nowhere else.

import { canonicalAddress, holdsPublic, inNetworks, type Network } from '../platform/network.ts';

/** The two ways to write what a socket is bound to or connected to: `192.0.2.1:25` and `[2001:db8::1]:25`. */
export interface SocketAddress {
  /** IPv6 without brackets, in its shortest form. */
  readonly host: string;
  readonly port: number;
}

/** Is so much of the public Internet in it that whoever listens to it listens to everybody? */
export function isTooWide(network: Network): boolean {
  return network.prefix < (network.bits === 32 ? 8 : 16) && holdsPublic(network);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || inNetworks(host, ['127.0.0.0/8', '::1']);
}

/** `0.0.0.0` and `::`: all addresses of this machine. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::'].includes(canonicalAddress(host) ?? '');
}

/** `127.0.0.1:25` or `[::1]:25`; the host an address, or a name where `names` is set. null where it is neither. */
export function parseSocketAddress(text: string, names = false): SocketAddress | null {
  const found = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([^:[\]/@\s]{1,255})):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (found === null || port > 65_535) return null;
  const host = found[1] === undefined ? hostOf(found[2] ?? '', names) : ip6Of(found[1]);
  return host === null ? null : { host, port };
}

export function socketText({ host, port }: SocketAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What is probably missing in a socket address. */
export function socketHint(text: string): string {
  const port = text.replace(':', '');
  if (/^:?\d{1,5}$/.test(text)) return `write "127.0.0.1:${port}", or "0.0.0.0:${port}" for all addresses`;
  if (/^\*:\d{1,5}$/.test(text)) return `write "0.0.0.0:${text.slice(2)}" for all addresses`;
  if (canonicalAddress(text) !== null) {
    return text.includes(':')
      ? `write "[${text}]:2525", with the brackets and a port`
      : `write "${text}:2525", with a port`;
  }
  if (/:\d+$/.test(text) && Number(text.slice(text.lastIndexOf(':') + 1)) > 65_535) return 'ports end at 65535';
  if (/^[0-9A-Fa-f:]+:\d+$/.test(text)) return 'an IPv6 address stands in brackets: "[::1]:2525"';
  return '';
}

/** A host name of labels of letters, digits and hyphens (RFC 1123 2.1), in lower case; null where it is none. */
export function parseHostName(text: string): string | null {
  const name = text.toLowerCase();
  if (name.length > 253 || canonicalAddress(name) !== null || /^[\d.]+$/.test(name)) return null;
  const isName = name.split('.').every(label => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  return isName ? name : null;
}

function hostOf(text: string, names: boolean): string | null {
  if (text === 'localhost') return text;
  const ip = text.includes('.') ? canonicalAddress(text) : null;
  return ip ?? (names ? parseHostName(text) : null);
}

function ip6Of(text: string): string | null {
  return text.includes(':') ? canonicalAddress(text) : null;
}
