// Addresses of hosts and networks as the settings write them. Only text: nothing here opens a socket, so node:net is
// not needed. Used by the kinds of values and by the cross-checks.

/** The two ways to write what a socket is bound to or connected to: `192.0.2.1:25` and `[2001:db8::1]:25`. */
export interface SocketAddress {
  /** IPv6 without brackets, in its shortest form. */
  readonly host: string;
  readonly port: number;
}

export interface Network {
  readonly bits: 32 | 128;
  readonly prefix: number;
  readonly value: bigint;
}

/** `192.0.2.1` or the shortest form of an IPv6 address (RFC 5952); null where it is no address. */
export function parseIp(text: string): string | null {
  const value = ipValue(text);
  if (value === null) return null;
  return value.bits === 32 ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** A network in CIDR notation, or one address. null where it is none, or has bits set behind its prefix. */
export function parseNetwork(text: string): Network | null {
  const [, address = '', length] = /^([0-9A-Fa-f:.]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = ipValue(address);
  if (ip === null) return null;
  const prefix = length === undefined ? ip.bits : Number(length);
  if (prefix > ip.bits) return null;
  const rest = BigInt(ip.bits - prefix);
  return (ip.value >> rest) << rest === ip.value ? { ...ip, prefix } : null;
}

/** The network an address with too long a prefix was probably meant for: `10.0.0.5/8` is in `10.0.0.0/8`. */
export function networkHint(text: string): string {
  const [address = '', length = ''] = text.split('/');
  const ip = ipValue(address);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (ip === null || prefix < 0 || prefix > ip.bits) return '';
  const rest = BigInt(ip.bits - prefix);
  const first = ipText({ ...ip, value: (ip.value >> rest) << rest });
  return `the network of that address is "${first}/${prefix}"`;
}

/** Networks that only reach this machine or a site: an address there is not the Internet's (RFC 1918, 4193, 4291). */
const NOT_PUBLIC = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7', 'fe80::/10'];

/** Is so much of the public Internet in it that whoever listens to it listens to everybody? */
export function isTooWide(network: Network): boolean {
  const inside = NOT_PUBLIC.some(text => {
    const outer = parseNetwork(text);
    return outer !== null && contains(outer, network);
  });
  return !inside && network.prefix < (network.bits === 32 ? 8 : 16);
}

export function isLoopback(host: string): boolean {
  const ip = parseNetwork(host);
  const loopback = ip === null ? null : parseNetwork(ip.bits === 32 ? '127.0.0.0/8' : '::1/128');
  return host === 'localhost' || (ip !== null && loopback !== null && contains(loopback, ip));
}

/** `0.0.0.0` and `::`: all addresses of this machine. */
export function isWildcard(host: string): boolean {
  return parseNetwork(host)?.value === 0n;
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
  if (parseIp(text)?.includes(':') === true) return `write "[${text}]:2525", with the brackets and a port`;
  if (parseIp(text) !== null) return `write "${text}:2525", with a port`;
  if (/:\d+$/.test(text) && Number(text.slice(text.lastIndexOf(':') + 1)) > 65_535) return 'ports end at 65535';
  if (/^[0-9A-Fa-f:]+:\d+$/.test(text)) return 'an IPv6 address stands in brackets: "[::1]:2525"';
  return '';
}

/** A host name of labels of letters, digits and hyphens (RFC 1123 2.1), in lower case; null where it is none. */
export function parseHostName(text: string): string | null {
  const name = text.toLowerCase();
  if (name.length > 253 || parseIp(name) !== null || /^[\d.]+$/.test(name)) return null;
  const isName = name.split('.').every(label => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label));
  return isName ? name : null;
}

function contains(outer: Network, inner: Network): boolean {
  const rest = BigInt(outer.bits - outer.prefix);
  return outer.bits === inner.bits && outer.prefix <= inner.prefix && outer.value >> rest === inner.value >> rest;
}

function hostOf(text: string, names: boolean): string | null {
  if (text === 'localhost') return text;
  const ip = text.includes('.') ? parseIp(text) : null;
  return ip ?? (names ? parseHostName(text) : null);
}

function ip6Of(text: string): string | null {
  return text.includes(':') ? parseIp(text) : null;
}

function ipValue(text: string): Pick<Network, 'bits' | 'value'> | null {
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (bytes !== undefined) {
    // A leading zero is octal to some and decimal to others.
    if (bytes.some(byte => Number(byte) > 255 || (byte.length > 1 && byte.startsWith('0')))) return null;
    return { bits: 32, value: bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) };
  }
  if (!/^[0-9A-Fa-f:.]{2,45}$/.test(text) || !text.includes(':') || !URL.canParse(`http://[${text}]/`)) return null;
  // The URL's form has no dots, no leading zeros, and :: at most once.
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail ?? ''].map(half => half.split(':').filter(word => word !== ''));
  const words = [...(before ?? []), ...Array<string>(8 - (before?.length ?? 0) - (after?.length ?? 0)).fill('0')];
  return {
    bits: 128,
    value: [...words, ...(after ?? [])].reduce((value, word) => (value << 16n) | BigInt(`0x${word}`), 0n),
  };
}

function ipText(ip: Pick<Network, 'bits' | 'value'>): string {
  const size = ip.bits === 32 ? 8n : 16n;
  const words = Array.from(
    { length: ip.bits === 32 ? 4 : 8 },
    (_, i) => (ip.value >> (size * BigInt(i))) & ((1n << size) - 1n),
  );
  if (ip.bits === 32) return words.reverse().join('.');
  const text = words
    .reverse()
    .map(word => word.toString(16))
    .join(':');
  return parseIp(text) ?? text;
}
