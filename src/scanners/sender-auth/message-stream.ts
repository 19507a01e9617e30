// The bytes of a message on their way to the DKIM verifier: the header section read whole and trimmed to a bounded
// number of signatures (mailauth has no limit: 300 of them cost seconds, or 300 lookups), the body as a stream.

import { Readable } from 'node:stream';

import type { Content } from '../../mail/ports.ts';
import { readPieces } from '../../platform/content.ts';

/** Postfix takes 100 KiB of headers; mail in use stays far below. */
export const HEAD_MAX_BYTES = 256 * 1024;

const EMPTY_LINE = Buffer.from('\r\n');

/** The header section is longer than HEAD_MAX_BYTES. */
export class HeadTooLarge extends Error {
  override readonly name = 'HeadTooLarge';
}

/**
 * Calls `read` with the message as a stream; closes the file in any case. At most `maxSignatures` are left in: RFC 6376
 * 6.1 lets a verifier limit them, and mail in use has one to four.
 */
export async function withMessage<T>(
  message: { readonly content: Content; readonly maxSignatures: number },
  read: (body: Readable) => Promise<T>,
): Promise<T> {
  const pieces = readPieces(message.content);
  let stream: Readable | null = null;
  try {
    const { head, rest } = await readHead(pieces);
    const trimmed = Buffer.from(trimSignatures(head, message.maxSignatures), 'latin1');
    // Without a signature nobody asks about the body; the verifier reads the header for its authors.
    const isSigned = /^dkim-signature[ \t]*:/im.test(head);
    stream = Readable.from(isSigned ? bytes(trimmed, rest, pieces) : [trimmed, EMPTY_LINE], { objectMode: false });
    return await read(stream);
  } finally {
    stream?.destroy();
    await pieces.return();
  }
}

async function readHead(pieces: AsyncGenerator<Uint8Array, void>): Promise<{ head: string; rest: Buffer }> {
  let all: Buffer = Buffer.alloc(0);
  for (;;) {
    const { done, value } = await pieces.next();
    if (value !== undefined) all = all.length === 0 ? asBuffer(value) : Buffer.concat([all, value]);
    const end = endOfHead(all);
    if ((end ?? all.length) > HEAD_MAX_BYTES) throw new HeadTooLarge(`header section over ${HEAD_MAX_BYTES} bytes`);
    if (end !== null) return { head: all.toString('latin1', 0, end), rest: all.subarray(end) };
    if (done === true) return { head: all.toString('latin1'), rest: Buffer.alloc(0) };
  }
}

function asBuffer(piece: Uint8Array): Buffer {
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
}

/** Where the empty line begins; null where there is none yet. */
function endOfHead(bytes: Buffer): number | null {
  if (bytes.toString('latin1', 0, 2) === '\r\n') return 0;
  const found = bytes.indexOf('\r\n\r\n');
  return found === -1 ? null : found + 2;
}

async function* bytes(head: Buffer, rest: Buffer, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  if (rest.length > 0) yield rest;
  yield* pieces;
}

/** Leaves the first signatures in, those of the author's domain before the others. */
export function trimSignatures(head: string, maxSignatures: number): string {
  const fields = head.split(/(?<=\r\n)(?![ \t])/);
  const signatures = fields.filter(isSignature);
  if (signatures.length <= maxSignatures) return head;
  const author = authorDomain(fields);
  const kept = new Set(
    [...signatures].sort((a, b) => Number(isOf(author, b)) - Number(isOf(author, a))).slice(0, maxSignatures),
  );
  return fields.filter(field => !isSignature(field) || kept.delete(field)).join('');
}

function isSignature(field: string): boolean {
  return /^dkim-signature[ \t]*:/i.test(field);
}

/** Roughly: only the order of looking depends on it. */
function authorDomain(fields: readonly string[]): string {
  const from = fields.find(field => /^from[ \t]*:/i.test(field)) ?? '';
  const at = from.lastIndexOf('@');
  return at === -1 ? '' : (/^[A-Za-z0-9.-]{1,253}/.exec(from.slice(at + 1))?.[0] ?? '').toLowerCase();
}

function isOf(author: string, signature: string): boolean {
  const domain = /[;:\s]d\s{0,10}=\s{0,10}([A-Za-z0-9.-]{1,253})/.exec(signature)?.[1]?.toLowerCase() ?? '';
  if (author === '' || domain === '') return false;
  return author === domain || author.endsWith(`.${domain}`) || domain.endsWith(`.${author}`);
}
