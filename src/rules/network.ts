// Networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), for rules about the client's address.
// No node:net here: only few files may import it, and none of the rules' (I3).

export interface Network {
  readonly bits: 32 | 128;
  readonly prefix: number;
  readonly value: bigint;
}

/** `192.0.2.0/24`, `2001:db8::/32`, or a single address; null where it is none. */
export function parseNetwork(text: string): Network | null {
  const [address = '', length, ...rest] = text.split('/');
  if (rest.length > 0 || address.length > 45) return null;
  const parsed = parseIp(address);
  if (parsed === null) return null;
  const prefix = length === undefined ? parsed.bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  return prefix < 0 || prefix > parsed.bits ? null : { ...parsed, prefix };
}

/** False also where `text` is no address. */
export function isInNetwork(text: string, network: Network): boolean {
  const address = parseIp(text);
  if (address === null || address.bits !== network.bits) return false;
  const rest = BigInt(network.bits - network.prefix);
  return address.value >> rest === network.value >> rest;
}

function parseIp(text: string): Pick<Network, 'bits' | 'value'> | null {
  if (!text.includes(':')) {
    const value = parseIp4(text);
    return value === null ? null : { bits: 32, value };
  }
  const value = parseIp6(text);
  return value === null ? null : { bits: 128, value };
}

function parseIp4(text: string): bigint | null {
  const bytes = text.split('.');
  if (bytes.length !== 4 || !bytes.every(byte => /^(?:0|[1-9]\d{0,2})$/.test(byte) && Number(byte) < 256)) return null;
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function parseIp6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = halves.map(groupsOf);
  if (head === null || head === undefined || tail === null) return null;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array<bigint>(missing).fill(0n), ...(tail ?? [])];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] | null {
  if (text === '') return [];
  const words = text.split(':');
  const last = words.at(-1) ?? '';
  const embedded = last.includes('.') ? parseIp4(last) : null;
  if (last.includes('.') && embedded === null) return null;
  const plain = embedded === null ? words : words.slice(0, -1);
  if (!plain.every(word => /^[0-9a-f]{1,4}$/i.test(word))) return null;
  const groups = plain.map(word => BigInt(`0x${word}`));
  return embedded === null ? groups : [...groups, embedded >> 16n, embedded & 0xffffn];
}
