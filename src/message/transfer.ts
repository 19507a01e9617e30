// Removes the content transfer encodings of RFC 2045 section 6. Tolerant as mail clients are: what is no part of the
// encoding is passed over (base64) or kept as it stands (quoted-printable). Never throws; the result is never longer
// than the input.

export type TransferEncoding = 'identity' | 'base64' | 'quoted-printable';

const LF = 0x0a;
const CR = 0x0d;
const EQUALS = 0x3d;
const NONE = 255;

/** Value of each base64 character; the URL-safe two (RFC 4648 section 5) count as well. */
const BASE64 = table('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
BASE64[0x2d] = 62;
BASE64[0x5f] = 63;

const HEX = table('0123456789ABCDEF');
for (let i = 10; i < 16; i++) HEX[0x61 + i - 10] = i;

export function decodeTransfer(bytes: Buffer, encoding: TransferEncoding): Buffer {
  switch (encoding) {
    case 'identity':
      return bytes;
    case 'base64':
      return decodeBase64(bytes);
    case 'quoted-printable':
      return decodeQuotedPrintable(bytes, false);
  }
}

/**
 * After `=` the next group starts afresh, so that several encodings one after the other are all read: stopping at the
 * first `=`, as some decoders do, would let an attachment hide behind it.
 */
export function decodeBase64(bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(Math.ceil(bytes.length / 4) * 3);
  let length = 0;
  let group = 0;
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const value = BASE64[byte] as number;
    if (value !== NONE) {
      group = (group << 6) | value;
      if (++count < 4) continue;
      out[length++] = group >> 16;
      out[length++] = group >> 8;
      out[length++] = group;
      group = count = 0;
    } else if (byte === EQUALS && count > 0) {
      length = flush(out, length, group, count);
      group = count = 0;
    }
  }
  return out.subarray(0, flush(out, length, group, count));
}

/** The last two or three characters of a group; a single one holds no byte. */
function flush(out: Buffer, length: number, group: number, count: number): number {
  if (count === 2) out[length++] = group >> 4;
  if (count === 3) {
    out[length++] = group >> 10;
    out[length++] = group >> 2;
  }
  return length;
}

/** `inWord`: the Q encoding of RFC 2047, where `_` is a space and lines have no meaning. */
export function decodeQuotedPrintable(bytes: Uint8Array, inWord: boolean): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let lineEnd = 0; // Length up to the last byte that is no white space: what follows it before a line end goes.
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === EQUALS) {
      const high = HEX[bytes[i + 1] ?? 0] as number;
      const low = HEX[bytes[i + 2] ?? 0] as number;
      if (high !== NONE && low !== NONE) {
        out[length++] = (high << 4) | low;
        i += 2;
      } else {
        const next = inWord ? -1 : afterSoftBreak(bytes, i + 1);
        if (next === -1) out[length++] = byte;
        else i = next - 1;
      }
      lineEnd = length;
    } else if (inWord) {
      out[length++] = byte === 0x5f ? 0x20 : byte;
    } else if (byte === LF || (byte === CR && bytes[i + 1] === LF)) {
      length = lineEnd;
      out[length++] = byte;
      if (byte === CR) out[length++] = bytes[++i] as number;
      lineEnd = length;
    } else {
      out[length++] = byte;
      if (byte !== 0x20 && byte !== 0x09) lineEnd = length;
    }
  }
  return out.subarray(0, length);
}

/** Where the line after a soft break begins (RFC 2045 6.7 rule 5, padding allowed); -1 where it is none. */
function afterSoftBreak(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && at - start < 100 && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  if (at >= bytes.length) return at;
  if (bytes[at] === LF) return at + 1;
  return bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : -1;
}

function table(alphabet: string): Uint8Array {
  const values = new Uint8Array(256).fill(NONE);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}
