// The bytes of a message for whoever reads them, wherever they are: in memory or in a file, in pieces or as a whole. Used
// where bytes go out (relay, release), where they are scanned and where they are digested.

import { open, readFile } from 'node:fs/promises';

/** As `Content` of src/mail, which this folder does not know. */
export type Held = { readonly bytes: Uint8Array } | { readonly path: string };

/** One read, and what a slow reader holds in memory. */
export const PIECE_BYTES = 64 * 1024;

/**
 * The content in pieces, with bounded memory. A file is opened when the first piece is asked for, and closed also when the
 * reader stops early.
 */
export async function* readPieces(content: Held): AsyncGenerator<Uint8Array, void> {
  if ('bytes' in content) {
    const { bytes } = content;
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
    return;
  }
  const file = await open(content.path, 'r');
  try {
    for (let at = 0; ; ) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** All of it, in memory. What it may take is for the caller to bound. */
export async function readWhole(content: Held): Promise<Uint8Array> {
  return 'bytes' in content ? content.bytes : readFile(content.path);
}
