// Files that survive a power cut: written beside, fsynced, renamed, the folder fsynced (I1). Mode 0600, folders 0700.

import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

import { failpoint } from './failpoint.ts';

/** Replaces `path` as a whole; a reader sees the old or the new content, and after this resolves the new is on disk. */
export async function writeSafely(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await failpoint('file.rename');
  await rename(temporary, path);
  await failpoint('file.folder');
  await syncFolder(dirname(path));
}

/** Fsyncs a file that was written before. */
export async function syncFile(path: string): Promise<void> {
  await synced(await open(path, 'r'));
}

/** Fsyncs a folder, so that names made or moved in it are on disk. */
export async function syncFolder(path: string): Promise<void> {
  await synced(await open(path, 'r'));
}

/**
 * The folder and those above it, readable by us alone. Not by mkdir's own `recursive`, which never ends where a folder
 * above cannot be made (/proc).
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path) throw error;
    if (!(await isThere(above))) await makeFolder(above);
    // Once more, and not for ever: in /proc the folder above is there, and nothing can be made in it.
    await mkdir(path, { mode: 0o700 }).catch(async again => {
      if (again.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw again;
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** No error where there is none. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(error => {
    if (error.code !== 'ENOENT') throw error;
  });
}

async function synced(file: FileHandle): Promise<void> {
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
