// The peers as Debian ships them, unpacked under .local/peers by scripts/setup.sh bench; nothing of them is installed.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const PEERS_ROOT = resolve(import.meta.dirname, '../../.local/peers');

/** Throws where they are not there. */
export function peersEnvironment(): Record<string, string> {
  const list = join(PEERS_ROOT, 'library-path');
  if (!existsSync(list)) throw new Error('the peers are not here: sh scripts/setup.sh bench');
  const folders = readFileSync(list, 'utf8').trim().split('\n');
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LD_LIBRARY_PATH: folders.map(folder => join(PEERS_ROOT, folder)).join(':'),
  };
}

/** A path of an installed package as it is here. */
export function unpacked(path: string): string {
  return join(PEERS_ROOT, path);
}
