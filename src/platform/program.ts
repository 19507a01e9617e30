// Where an installed program lies. Called where daemons are started and by doctor.

import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Daemons lie here and are in no user's PATH. */
const MORE_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/bin'];

/** The program's path, null where it is not installed. */
export async function findProgram(name: string): Promise<string | null> {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  for (const folder of [...folders, ...MORE_FOLDERS]) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}
