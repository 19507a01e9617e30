// The bytes of a held message as they came, for a pipe or a file. Called by `quarantine show --raw`. They never go to a
// terminal by accident: a message may move the cursor, and more.

import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { NoError, UsageError } from './exit.ts';

interface Out extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

/** Resolves when all is written. Throws UsageError at a terminal, NoError where the bytes are not there. */
export async function printRaw(path: string, isForced: boolean, out: Out = process.stdout): Promise<void> {
  if (out.isTTY === true && !isForced) {
    throw new UsageError(
      'show --raw: a message may do harm to a terminal; write it to a file or a pipe, or use --force',
    );
  }
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new NoError(`the bytes of this copy cannot be read: ${error.code ?? error.message} ${path}`);
  });
  // Standard output stays open: it is not ours to end.
  await pipeline(file.createReadStream(), out, { end: false });
}
