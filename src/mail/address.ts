// Reads the paths of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531 section 3.3). Strict about what cannot be an
// address, lenient about what the next hop may know better: the raw argument is kept beside it for passing on.

import { domainToASCII } from 'node:url';

export interface Address {
  /** Quoting removed; case kept, for only the owner of the domain may fold it. */
  readonly localPart: string;
  /** Lower case A-labels, or an address literal `[192.0.2.1]`; '' only for `<postmaster>`. */
  readonly domain: string;
  /** `local@domain` ready for the wire: quoted where it must be, domain in A-labels. */
  readonly text: string;
}

/** RFC 5321 4.5.3.1.1, 4.5.3.1.2, 4.5.3.1.3; the local part is allowed more than 64, for some in use are longer. */
export const LOCAL_PART_MAX = 128;
export const DOMAIN_MAX = 255;
export const PATH_MAX = 512;

/**
 * atext of RFC 5322 3.2.3, and the characters beyond ASCII (RFC 6531 3.3) without controls, line separators, marks that
 * turn the reading order, halves of surrogate pairs, the byte order mark and U+FFFD, which is what bytes that are no UTF-8 become.
 */
const ATOM =
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u00a1-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff01-\ufff8\u{10000}-\u{10fffd}]+$/u;
const QUOTED =
  /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e\u00a1-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff01-\ufff8\u{10000}-\u{10fffd}]|\\[\x20-\x7e])*)"$/u;
/** RFC 5321 4.1.3. */
const IPV4_LITERAL = /^\[(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!\])|(?=\]))){4}\]$/;
const IPV6_LITERAL = /^\[IPv6:([0-9A-Fa-f.:]{2,45})\]$/i;
/** Underscores are no host names, but real domains have them. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A mailbox `local@domain` or `postmaster`; null where it is none. */
export function parseAddress(text: string): Address | null {
  if (text.length > PATH_MAX) return null;
  const at = text.lastIndexOf('@');
  if (at === -1) return text.toLowerCase() === 'postmaster' ? { localPart: text, domain: '', text } : null;
  const localPart = parseLocalPart(text.slice(0, at));
  const domain = parseDomain(text.slice(at + 1));
  if (localPart === null || domain === null) return null;
  return { localPart, domain, text: `${quoteLocalPart(localPart)}@${domain}` };
}

/** A domain in lower case A-labels or an address literal; null where it is neither. A trailing dot is taken away. */
export function parseDomain(text: string): string | null {
  if (text.startsWith('[')) return isLiteral(text) ? text : null;
  if (text === '' || text.length > DOMAIN_MAX) return null;
  const lower = text.replace(/\.$/, '').toLowerCase();
  // domainToASCII reads `%41` and some other characters as a URL would: only what is beyond ASCII needs it.
  const ascii = /^[\x00-\x7f]*$/.test(lower) ? lower : domainToASCII(lower);
  if (ascii === '' || ascii.length > DOMAIN_MAX) return null;
  return ascii.split('.').every(label => LABEL.test(label)) ? ascii : null;
}

export interface PathArgument {
  /** What stood between the angle brackets, a source route removed (RFC 5321 4.1.1.3: ignored). '' is `<>`. */
  readonly mailbox: string;
  /** What follows the path: `SIZE=100 BODY=8BITMIME`. */
  readonly parameters: string;
}

/** Splits the argument of MAIL or RCPT into path and parameters; null where it has no path in angle brackets. */
export function parsePath(raw: string): PathArgument | null {
  const path = /^\s*<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>(?:[ \t]+(.*?))?\s*$/su.exec(raw);
  if (path === null) return null;
  const route = /^@[^:,]+(?:,@[^:,]+)*:(.*)$/su.exec(path[1] ?? '');
  return { mailbox: route?.[1] ?? path[1] ?? '', parameters: path[2] ?? '' };
}

/** Is this address in ASCII, so that no SMTPUTF8 is needed for it? */
export function isAscii(address: Address): boolean {
  return /^[\x00-\x7f]*$/.test(address.text);
}

/** postmaster@ and abuse@ are always heard (RFC 5321 4.5.1, RFC 2142). */
export function isAlwaysHeard(address: Address): boolean {
  const local = address.localPart.toLowerCase();
  return local === 'postmaster' || local === 'abuse';
}

function isLiteral(text: string): boolean {
  const address = IPV6_LITERAL.exec(text)?.[1];
  return address === undefined ? IPV4_LITERAL.test(text) : URL.canParse(`http://[${address}]/`);
}

function parseLocalPart(text: string): string | null {
  const quoted = QUOTED.exec(text);
  const local = quoted === null ? text : (quoted[1] ?? '').replace(/\\(.)/gsu, '$1');
  if (local.length > LOCAL_PART_MAX) return null;
  if (quoted !== null) return local;
  return text.split('.').every(atom => ATOM.test(atom)) ? text : null;
}

function quoteLocalPart(local: string): string {
  const plain = local !== '' && local.split('.').every(atom => ATOM.test(atom));
  return plain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
}
