// A disk of the fault run's own for Postern's data, that can be full from one moment to the next: a tmpfs that is made as
// small as what is on it. In a namespace of mounts that only this run sees and that goes with it, so root is needed.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, statfsSync } from 'node:fs';

/** Set in the process that has its own mounts. */
const MARK = 'POSTERN_FAULTS_MOUNTS';
/** Never reached: only what is on it takes memory. */
const SIZE_MB = 8192;
/** What Postern may write between the look at the disk and its end, bytes. */
const SPARE_FIRST = 16 * 1024;
const SPARE_MAX = 1024 * 1024;

/** Runs this program again with mounts of its own, and returns its exit code; null where that was done, or cannot be. */
export function againWithOwnMounts(): number | null {
  if (process.env[MARK] !== undefined || process.getuid?.() !== 0) return null;
  if (spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status !== 0) return null;
  const env = { ...process.env, [MARK]: '1' };
  const args = ['-m', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Ctrl-C reaches both, and the other one decides when it ends.
  process.on('SIGINT', () => undefined);
  return spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1;
}

export class SmallDisk {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Mounted at the folder, which is made; null where this process has no mounts of its own. */
  static mount(folder: string): SmallDisk | null {
    if (process.env[MARK] === undefined) return null;
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=0700`, 'tmpfs', folder]);
    return new SmallDisk(folder);
  }

  /** Little more fits than into blocks that are begun. False where Postern writes faster than this can be done. */
  fill(): boolean {
    for (let spare = SPARE_FIRST; spare <= SPARE_MAX; spare *= 2) {
      const { blocks, bfree, bsize } = statfsSync(this.#folder);
      if (this.#resize(`${(blocks - bfree) * bsize + spare}`)) return true;
    }
    return false;
  }

  free(): boolean {
    return this.#resize(`${SIZE_MB}m`);
  }

  /** Its content outlives it in `to`, where that is named. */
  end(to: string | null): void {
    if (to !== null) cpSync(this.#folder, to, { recursive: true, filter: path => !path.endsWith('.sock') });
    execFileSync('umount', ['--lazy', this.#folder]);
  }

  /** False where more than that is on it already. */
  #resize(size: string): boolean {
    return spawnSync('mount', ['-o', `remount,size=${size}`, this.#folder]).status === 0;
  }
}
