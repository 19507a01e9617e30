// Can the data folder be written, and is there room? Asked by `postern doctor`, before the first start too: what is not
// there yet is tried in the folder that it would be made in. Leaves nothing behind.

import { access, constants, mkdtemp, readdir, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Health } from '../mail/ports.ts';
import { isOurs } from './places.ts';

const PART = 'disk';
const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;

export async function dataFolderHealth({ data, diskReserve }: Pick<Settings, 'data' | 'diskReserve'>): Promise<Health> {
  return (await unwritable(data)) ?? room(data, diskReserve);
}

/** By doing it: rights alone do not tell of a read-only disk, of /proc, or of a limit of the service. */
async function unwritable(data: string): Promise<Health | null> {
  const folder = await nearestThere(data);
  const next = `let the user ${userName()} write there, run this as the user the gateway runs as, or name another folder`;
  try {
    const tried = await mkdtemp(join(folder, '.postern-doctor-'));
    try {
      await writeFile(join(tried, 'written'), 'as a test');
    } finally {
      await rm(join(tried, 'written'), { force: true });
      await rmdir(tried);
    }
  } catch (error) {
    const below = folder === data ? '' : ` (which does not exist yet, and ${folder} takes no new folder)`;
    return {
      part: PART,
      level: 'down',
      says: `cannot write to ${data}${below} (setting data): ${codeOf(error)}`,
      next,
    };
  }
  if (folder !== data) return null;
  for (const name of (await readdir(data)).filter(isOurs)) {
    const path = join(data, name);
    const code = await access(path, constants.R_OK | constants.W_OK).then(() => '', codeOf);
    // Sockets and pid files come and go meanwhile.
    if (code !== '' && code !== 'ENOENT') {
      const says = `cannot write to ${path} (setting data): ${code}: was the gateway started as another user once?`;
      return { part: PART, level: 'down', says, next: `chown -R ${userName()} ${data}, or run this as its user` };
    }
  }
  return null;
}

async function room(data: string, reserve: number): Promise<Health> {
  const { bavail, bsize } = await statfs(await nearestThere(data));
  const free = bavail * bsize;
  const says = `${size(free)} free at ${data}, ${size(reserve)} are kept in reserve`;
  if (free < reserve) {
    const next = 'make room: mail gets 452 until there is more than the reserve';
    return { part: PART, level: 'down', says, next };
  }
  if (free < 2 * reserve)
    return { part: PART, level: 'degraded', says, next: 'make room before the reserve is reached' };
  return { part: PART, level: 'ok', says, next: '' };
}

async function nearestThere(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    error => codeOf(error) !== 'ENOENT',
  );
  return isThere || path === dirname(path) ? path : nearestThere(dirname(path));
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A number without a name, as in containers.
    return String(process.getuid?.());
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error);
}

function size(bytes: number): string {
  return bytes < 10 * GIBIBYTE ? `${Math.floor(bytes / MEBIBYTE)} MiB` : `${Math.floor(bytes / GIBIBYTE)} GiB`;
}
