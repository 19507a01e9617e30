// UTF-7 (RFC 2152), which spammers use to hide words and clients still show. Called by charset.ts. One pass over the
// bytes; iconv-lite's own decoder makes an object for each shift and takes twenty times as long on hostile text.

const PLUS = 0x2b;
const MINUS = 0x2d;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const NONE = 255;
const VALUES = new Uint8Array(256).fill(NONE);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

export function decodeUtf7(bytes: Uint8Array): string {
  // A byte makes at most one UTF-16 unit.
  const units = new Uint16Array(bytes.length);
  let length = 0;
  let isShifted = false;
  let bits = 0;
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    const value = VALUES[byte] as number;
    if (!isShifted) {
      if (byte !== PLUS) units[length++] = byte;
      else if (bytes[i + 1] === MINUS) units[length++] = bytes[i++] as number;
      else [isShifted, bits, count] = [true, 0, 0];
    } else if (value !== NONE) {
      bits = ((bits << 6) | value) & 0x3fffff;
      count += 6;
      if (count < 16) continue;
      count -= 16;
      units[length++] = bits >> count;
    } else {
      isShifted = false;
      if (byte !== MINUS) units[length++] = byte;
    }
  }
  return Buffer.from(units.buffer, 0, length * 2).toString('utf16le');
}
