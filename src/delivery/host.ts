// Reads one next-hop address as it stands in the settings: smtp://HOST:PORT, lmtp://HOST:PORT, lmtp:/SOCKET,
// maildir:/FOLDER. Pure. Called by createNextHop; settings may be checked with it before.

export interface ServerHost {
  readonly kind: 'smtp' | 'lmtp';
  /** In full, for people and for the record: `smtp://10.0.0.5:25`. */
  readonly name: string;
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
}

export interface MaildirHost {
  readonly kind: 'maildir';
  readonly name: string;
  /** Absolute path of the Maildir. */
  readonly folder: string;
}

export type HopHost = ServerHost | MaildirHost;

const EXPECTED = 'expected smtp://HOST:PORT, lmtp://HOST:PORT, lmtp:/SOCKET or maildir:/FOLDER';
const DEFAULT_PORT = { smtp: 25, lmtp: 24 } as const;
/** A unix socket's path has to fit into sockaddr_un. */
const SOCKET_PATH_MAX = 107;

/** Throws RangeError, in words for the administrator. A bare `HOST` or `HOST:PORT` is read as smtp://. */
export function parseHost(text: string): HopHost {
  const given = text.trim();
  const scheme = /^([a-z]+):(?=\/)/i.exec(given)?.[1]?.toLowerCase();
  if (scheme === undefined) return parseServer('smtp', given, text);
  const rest = given.slice(scheme.length + 1);
  if (scheme === 'maildir')
    return { kind: 'maildir', name: `maildir:${folder(rest, text)}`, folder: folder(rest, text) };
  if (scheme !== 'smtp' && scheme !== 'lmtp') throw bad(text, `unknown scheme "${scheme}"`);
  if (rest.startsWith('//')) return parseServer(scheme, rest.slice(2), text);
  if (scheme === 'smtp') throw bad(text, 'SMTP needs a host, not a path');
  if (Buffer.byteLength(rest) > SOCKET_PATH_MAX) throw bad(text, `a socket path has at most ${SOCKET_PATH_MAX} bytes`);
  return { kind: 'lmtp', name: `lmtp:${folder(rest, text)}`, at: { path: folder(rest, text) } };
}

function parseServer(kind: 'smtp' | 'lmtp', authority: string, text: string): ServerHost {
  const parts = /^(?:\[([^\]]*)\]|([^:/[\]\s]+))(?::(.*))?$/.exec(authority.replace(/\/$/, ''));
  if (parts === null) throw bad(text, 'no host found');
  const [, literal, name, rawPort] = parts;
  if (literal !== undefined && !isIpv6(literal)) throw bad(text, `"${literal}" is no IPv6 address`);
  if (name !== undefined && !/^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_.])?$/.test(name)) {
    throw bad(text, `"${name}" is no host name`);
  }
  const port = rawPort === undefined ? DEFAULT_PORT[kind] : Number(rawPort);
  if (!/^\d{1,5}$/.test(String(rawPort ?? port)) || port < 1 || port > 65_535) throw bad(text, 'a port is 1 to 65535');
  const host = literal ?? name ?? '';
  return { kind, name: `${kind}://${literal === undefined ? host : `[${host}]`}:${port}`, at: { host, port } };
}

function isIpv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(text) && URL.canParse(`http://[${text}]/`);
}

/** `//var/mail` and `/var/mail` are the same folder. */
function folder(path: string, text: string): string {
  const absolute = path.replace(/^\/+/, '/');
  if (absolute === '/' || /[\x00-\x1f\x7f]/.test(absolute)) throw bad(text, 'no path found');
  return absolute;
}

function bad(text: string, why: string): RangeError {
  return new RangeError(`"${text.slice(0, 200).replace(/[\x00-\x1f\x7f]/g, '?')}" is no next hop: ${why}; ${EXPECTED}`);
}
