// What a child daemon prints: it writes to a file, which is read from time to time into our log and kept small.
// Used by child.ts only.

import { open, stat, truncate } from 'node:fs/promises';

import type { Log } from './log.ts';

export interface Output {
  readonly path: string;
  /** Forgets what was printed before: emptied for a new child, passed over for an adopted one. */
  begin(isNew: boolean): Promise<void>;
  /** Takes what is new into the log. Never throws. */
  read(): Promise<void>;
  /** The last lines that were read, for telling why it ended. */
  last(): string;
}

/** The file is emptied beyond this. The child appends, so it goes on at the new end. */
const FILE_MAX_BYTES = 256 * 1024;
/** A talkative child must not fill our log: of one look only so much is taken. */
const READ_MAX_BYTES = 4096;
const LAST_LINES = 3;

export function createOutput(path: string, log: Log): Output {
  let position = 0;
  let last: string[] = [];

  async function readNew(): Promise<void> {
    const file = await open(path, 'r').catch(() => null);
    if (file === null) return;
    try {
      const { size } = await file.stat();
      if (size < position) position = 0;
      if (size === position) return;
      const start = Math.max(position, size - READ_MAX_BYTES);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
      if (start > position) log.warn({ bytes: start - position }, 'child output passed over');
      position = size;
      take(buffer.subarray(0, bytesRead).toString('utf8'));
      if (size > FILE_MAX_BYTES) await truncate(path, 0).then(() => (position = 0));
    } finally {
      await file.close();
    }
  }

  function take(text: string): void {
    const lines = text
      .split('\n')
      .map(line => line.replace(/[\u0000-\u001f\u007f]/g, ' ').trim())
      .filter(line => line !== '');
    for (const line of lines) log.debug({ line: line.slice(0, 500) }, 'child says');
    last = [...last, ...lines].slice(-LAST_LINES);
  }

  async function begin(isNew: boolean): Promise<void> {
    if (isNew) await truncate(path, 0).catch(() => undefined);
    position = await stat(path).then(
      found => found.size,
      () => 0,
    );
    last = [];
  }

  return {
    path,
    begin,
    read: () => readNew().catch(() => undefined),
    last: () => last.join(' | ').slice(0, 500),
  };
}
