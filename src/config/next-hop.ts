// Where mail goes on to: `smtp://mail.example.org:25` and its relatives. Only text; src/delivery speaks to them.

import { canonicalAddress } from '../platform/network.ts';
import { parseHostName } from './network.ts';
import { type Wrong, wrong } from './units.ts';

/** A host that takes mail by SMTP (RFC 5321) or LMTP (RFC 2033). */
export interface HopServer {
  readonly kind: 'smtp' | 'lmtp';
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** As src/delivery reads it: the port written out. */
  readonly text: string;
}

/** LMTP over a unix socket. */
export interface HopSocket {
  readonly kind: 'lmtp-unix';
  /** Absolute. */
  readonly path: string;
  readonly text: string;
}

/** A Maildir of this machine: the demo mailbox. Relative in the file, absolute once the settings are loaded. */
export interface HopMaildir {
  readonly kind: 'maildir';
  readonly path: string;
  readonly text: string;
}

export type HopHost = HopServer | HopSocket | HopMaildir;

/** RFC 2033 section 5 only says that it is not 25; 24 is `any private mail system` and what LMTP servers use. */
const USUAL_PORT = { smtp: 25, lmtp: 24 } as const;

export function parseHop(text: string): HopHost | Wrong {
  const [, scheme = '', rest = ''] = /^([a-z+]+):(.*)$/is.exec(text) ?? [];
  if (/[\s\x00-\x1f\x7f]/.test(text)) return wrong('take the blank out');
  switch (scheme.toLowerCase()) {
    case 'smtp':
      return parseServer('smtp', rest);
    case 'lmtp':
      return rest.startsWith('//') ? parseServer('lmtp', rest) : parseSocket(rest);
    case 'lmtp+unix':
      return parseSocket(rest.replace(/^\/\/(?=\/)/, ''));
    case 'maildir':
      return rest === '' || rest.startsWith('//')
        ? wrong('write maildir: and the folder, such as "maildir:mailbox"')
        : { kind: 'maildir', path: rest, text };
    case 'smtps':
      return wrong('TLS is made by STARTTLS here: write smtp://HOST:PORT and tls: must');
    default:
      return wrong(guess(text));
  }
}

/** Are they of a kind that can stand in for each other? A Maildir stands alone, SMTP and LMTP do not mix. */
export function isOneKind(hosts: readonly HopHost[]): boolean {
  const kinds = new Set(hosts.map(host => (host.kind === 'lmtp-unix' ? 'lmtp' : host.kind)));
  return kinds.size <= 1 && (hosts.length <= 1 || !kinds.has('maildir'));
}

function parseServer(kind: 'smtp' | 'lmtp', rest: string): HopServer | Wrong {
  const found = /^\/\/(?:(.*)@)?(?:\[([^\]]*)\]|([^:/@[\]]*))(?::(\d*))?\/?$/.exec(rest);
  if (found === null) return wrong(`write ${kind}://HOST:PORT, an IPv6 address in brackets`);
  const [, credentials, ip6, name = '', digits] = found;
  if (credentials !== undefined)
    return wrong('no name and password here: let the next hop accept this host by its address');
  const host =
    ip6 === undefined
      ? (canonicalAddress(name) ?? parseHostName(name))
      : ip6.includes(':')
        ? canonicalAddress(ip6)
        : null;
  if (host === null)
    return wrong(
      name === '' && ip6 === undefined ? 'the host is missing' : 'the host is neither a name nor an address',
    );
  const port = digits === undefined || digits === '' ? USUAL_PORT[kind] : Number(digits);
  if (port < 1 || port > 65_535) return wrong('a port is a number from 1 to 65535');
  return { kind, host, port, text: `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}` };
}

function parseSocket(path: string): HopSocket | Wrong {
  if (!path.startsWith('/') || path.length < 2) return wrong('write lmtp:/PATH of a unix socket, or lmtp://HOST:PORT');
  return { kind: 'lmtp-unix', path, text: `lmtp:${path}` };
}

/** What somebody may have meant who wrote `10.0.0.5` or `mail.example.org:25`. */
function guess(text: string): string {
  const bare = text.replace(/^[a-z+]*:?\/\//i, '');
  const candidate = /^[^/]+$/.test(bare) ? parseServer('smtp', `//${bare}`) : null;
  if (candidate !== null && 'kind' in candidate) return `did you mean "${candidate.text}"?`;
  if (text.startsWith('/')) return `did you mean "lmtp:${text}" or "maildir:${text}"?`;
  return 'it starts with smtp://, lmtp:// or maildir:';
}
