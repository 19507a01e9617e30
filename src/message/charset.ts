// Bytes to characters by the name of a charset. Never throws: an unknown name, or one that lies, ends in UTF-8 where
// the bytes are valid UTF-8, else in windows-1252, as mail clients do.

import { isAscii, isUtf8 } from 'node:buffer';

import iconv from 'iconv-lite';

import { decodeUtf7 } from './utf7.ts';

export interface Decoded {
  readonly text: string;
  /** False where nobody knows a charset of that name. */
  readonly isKnown: boolean;
}

/** Charsets in which ASCII bytes may mean something else, so that the short way is not open. */
const NOT_ASCII =
  /^(?:utf-?(?:7|16|32)|unicode|ucs|iso-?2022|iso-10646|hz|cs(?:unicode|iso2022)|ibm|cp(?:037|500|1026))/;

/**
 * For these the bytes are tried as UTF-8 first: text in them is next to never valid UTF-8 by chance, while mail that
 * is UTF-8 and says one of these is common.
 */
const WESTERN =
  /^(?:|us-ascii|ascii|ansi_x3\.4-1968|iso-?8859-1|latin-?1|windows-1252|cp1252|utf-?8|x-unknown|unknown-8bit|default)$/;

const UTF_7 = /^(?:unicode-1-1-)?utf-?7$/;

/** iconv-lite knows these, but they are encodings of bytes, or of mailbox names. */
const NO_CHARSET = /^(?:hex|base64|binary|internal|utf-?7-?imap)$/;

const NAME = /^[a-z0-9][a-z0-9._:+-]{0,39}$/;

/** `charset` as the message names it, '' where it names none. */
export function decodeCharset(bytes: Buffer, charset: string): Decoded {
  const name = charset.trim().toLowerCase();
  if (isAscii(bytes) && !NOT_ASCII.test(name)) {
    return { text: bytes.toString('latin1'), isKnown: WESTERN.test(name) || decoderOf(name) !== null };
  }
  if (WESTERN.test(name)) return { text: decodeWestern(bytes, name), isKnown: true };
  const decode = decoderOf(name);
  return decode === null ? { text: decodeUnnamed(bytes), isKnown: false } : { text: decode(bytes), isKnown: true };
}

/** What has no charset of its own: header fields with bytes beyond ASCII (RFC 6532: UTF-8). */
export function decodeUnnamed(bytes: Buffer): string {
  return isUtf8(bytes) ? withoutBom(bytes.toString('utf8')) : WINDOWS_1252.decode(bytes);
}

function decodeWestern(bytes: Buffer, name: string): string {
  // Declared UTF-8 with damage in it: a client shows the rest, with marks where the damage is.
  return /^utf-?8$/.test(name) ? withoutBom(bytes.toString('utf8')) : decodeUnnamed(bytes);
}

type Decode = (bytes: Buffer) => string;

const WINDOWS_1252 = new TextDecoder('windows-1252');

/** Only names that somebody knows get in, so this cannot grow beyond some hundred. */
const decoders = new Map<string, Decode>();

function decoderOf(name: string): Decode | null {
  const known = decoders.get(name);
  if (known !== undefined) return known;
  const decode = NAME.test(name) ? makeDecoder(name) : null;
  if (decode !== null) decoders.set(name, decode);
  return decode;
}

/** The WHATWG encodings are what clients on the web use, iconv-lite has the others: code pages, UTF-32. */
function makeDecoder(name: string): Decode | null {
  try {
    const decoder = new TextDecoder(name);
    if (decoder.encoding !== 'iso-2022-jp') return bytes => decoder.decode(bytes);
    // Two escapes in a row, as where two encoded words meet, would give a mark of damage (WHATWG Encoding 12.2).
    return bytes => decoder.decode(latin1(bytes.toString('latin1').replace(/\x1b\([BJ](?=\x1b)/g, '')));
  } catch {
    if (UTF_7.test(name)) return decodeUtf7;
    return !NO_CHARSET.test(name) && iconv.encodingExists(name) ? bytes => decodeIconv(bytes, name) : null;
  }
}

function decodeIconv(bytes: Buffer, name: string): string {
  try {
    return iconv.decode(bytes, name);
  } catch {
    return decodeUnnamed(bytes);
  }
}

function withoutBom(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
