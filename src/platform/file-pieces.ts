// Reads a file as a stream of pieces, with bounded memory. Called where message bytes go out (relay, release) and where
// they are digested. Opens the file when the first piece is asked for, and closes it also when the reader stops early.

import { open } from 'node:fs/promises';

/** One read, and what a slow reader holds in memory. */
export const PIECE_BYTES = 64 * 1024;

/** The bytes of the file. */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, 'r');
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
