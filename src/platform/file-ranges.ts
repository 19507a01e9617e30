// Reads a file as a stream of pieces, whole or by ranges, with bounded memory. Called where message bytes go out
// (relay, release) and where they are digested. Opens the file when the first piece is asked for, and closes it also
// when the reader stops early.

import { type FileHandle, open } from 'node:fs/promises';

/** Bytes [start, end) of a file. */
export interface FileRange {
  readonly start: number;
  readonly end: number;
}

/** One read, and what a slow reader holds in memory. */
export const PIECE_BYTES = 64 * 1024;

/** The bytes of the ranges, in their order; the whole file without ranges. Throws where the file ends before a range. */
export async function* readRanges(path: string, keep?: readonly FileRange[]): AsyncGenerator<Uint8Array, void> {
  const file = await open(path, 'r');
  try {
    if (keep === undefined) yield* readRange(file, { start: 0, end: Number.POSITIVE_INFINITY });
    for (const range of keep ?? []) {
      const missing = yield* readRange(file, range);
      if (missing > 0) throw new Error(`${path} ends ${missing} bytes before the end of a range`);
    }
  } finally {
    await file.close();
  }
}

/** Returns how many bytes were missing. */
async function* readRange(file: FileHandle, { start, end }: FileRange): AsyncGenerator<Uint8Array, number> {
  for (let at = start; at < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, end - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) return end - at;
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
  return 0;
}
