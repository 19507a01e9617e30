// Links as the rest of Postern speaks of them: host in A-labels, registrable domain by the public suffix list. Called
// by views.ts with what html.ts and plain.ts found. Hosts are read as browsers read them (WHATWG URL), for that is
// where the reader ends up: numbers in hex or octal, backslashes, tabs within, user names before the host.

import { getDomain } from 'tldts';

import type { Link, LinkSource } from '../mail/message.ts';
import type { RawLink } from './html.ts';
import { URL_MAX } from './limits.ts';

const SCHEME = /^([a-z][a-z0-9+.-]{0,30}):/i;
const WITH_HOST = /^(?:https?|ftps?|wss?)$/;
/** Nothing outside the message: parts of it, places in it. */
const INTERNAL = /^(?:cid|mid|about|x-apple-data-detectors|file)$/;
/** A name has 253 characters (RFC 1035 2.3.4); twice, for a letter and its accent may become one. */
const HOST_MAX = 506;
/** What is dropped from a host before it is looked up (UTS 46 4): a spammer may put thousands of them in. */
const IGNORED = /\p{Default_Ignorable_Code_Point}+/gu;
/** Inline pictures: a beginning is enough to tell what they are. */
const DATA_MAX = 256;

/**
 * null for what leads nowhere: an empty or relative reference without a base, cid:, #place, `http://` alone. What has more
 * host than there can be is a link without one.
 */
export function makeLink(raw: RawLink, base: string): Link | null {
  // Browsers drop tabs and line ends wherever they stand: `java\nscript:`.
  const url = absolute(raw.url.replace(/[\t\r\n]+/g, '').trim(), base);
  if (url === null) return null;
  const scheme = (SCHEME.exec(url)?.[1] ?? '').toLowerCase();
  if (INTERNAL.test(scheme)) return null;
  const kept = url.slice(0, scheme === 'data' ? DATA_MAX : URL_MAX);
  // Of the whole: a long user name must not hide the host behind it.
  const isTooLong = WITH_HOST.test(scheme) && isHostTooLong(url);
  const host = WITH_HOST.test(scheme) && !isTooLong ? hostOf(url) : null;
  if (host === null && WITH_HOST.test(scheme) && !isTooLong) return null;
  return { url: kept, host, domain: host === null ? null : domainOf(host), shown: raw.shown, source: raw.source };
}

export function textLink(url: string): Link | null {
  return makeLink({ url, shown: url.slice(0, 200), source: 'text' satisfies LinkSource }, '');
}

/** Registrable domain: one label below a public suffix; private suffixes (github.io) count. null for addresses. */
export function domainOf(host: string): string | null {
  return getDomain(host, { extractHostname: false, validateHostname: false, allowPrivateDomains: true });
}

function absolute(url: string, base: string): string | null {
  if (url === '' || url.startsWith('#')) return null;
  // A host with a port looks like a scheme: example.com:8080/x
  const scheme = SCHEME.exec(url)?.[1];
  if (scheme !== undefined && !scheme.includes('.')) return url;
  if (/^[\\/]{2}/.test(url)) return `http:${url}`;
  if (base !== '') return URL.parse(url, base)?.href ?? null;
  // Mail clients complete what browsers would take for a path.
  return /^(?:www\d?\.|[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}(?:[:/?#]|$))/i.test(url) && looksLikeHost(url)
    ? `http://${url}`
    : null;
}

/** `example.com/a` is a host, `images/logo.gif` and `logo.gif` are not. */
function looksLikeHost(url: string): boolean {
  const host = /^[^:/?#]*/.exec(url)?.[0] ?? '';
  return (
    /^www\d?\./i.test(host) || (url.length > host.length && domainOf(host.toLowerCase()) !== null && isKnown(host))
  );
}

function isKnown(host: string): boolean {
  return !/\.(?:gif|jpe?g|png|html?|php|asp|css|js)$/i.test(host);
}

function hostOf(url: string): string | null {
  const parsed = URL.parse(url);
  if (parsed !== null) return parsed.hostname.replace(/\.+$/, '') || null;
  // Not a URL to a browser; the name is kept for the lists where it is one at all.
  const host = /^[a-z]+:[\\/]*(?:[^@/\\?#]*@)?([a-z0-9._-]{1,253})/i.exec(url)?.[1];
  return host === undefined ? null : host.toLowerCase().replace(/\.+$/, '') || null;
}

/**
 * No name of that length leads anywhere, and making A-labels of one beyond ASCII takes time by the square of its length:
 * 11 ms for a URL of URL_MAX characters, seconds for a message full of them.
 */
function isHostTooLong(url: string): boolean {
  if (url.length <= HOST_MAX) return false;
  const authority = /^[a-z]+:[\\/]*([^\\/?#]*)/i.exec(url)?.[1] ?? '';
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return host.length > HOST_MAX && unescaped(host).replace(IGNORED, '').length > HOST_MAX;
}

function unescaped(host: string): string {
  try {
    return decodeURIComponent(host);
  } catch {
    // Escapes that are no UTF-8: no host at all (URL Standard 3.5).
    return host;
  }
}
