// Who this gateway is: the one of its data folder, its certificate, and the name of its queue. Called by main.ts.

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { problemAt } from '../config/place.ts';
import type { Settings } from '../config/settings.ts';
import { BadCertificate, type Certificate, readCertificate, selfSigned } from '../platform/certificate.ts';
import { BadFile } from '../platform/problem.ts';
import { makeFolder } from '../platform/safe-file.ts';
import { lockFolder } from '../store/folder-lock.ts';

const LOCK_FILE = 'lock';

/** One data folder has one gateway: two would share children and records. The function returned gives the folder up. */
export async function claimFolder(data: string): Promise<() => void> {
  await makeFolder(data);
  const release = lockFolder(join(data, LOCK_FILE));
  if (release !== null) return release;
  throw new Error(`a gateway is running on ${data} already: stop it first, or name another data folder`);
}

/** Throws BadFile where the files named in the settings are no pair. */
export async function certificateOf({ tls, data, hostname: name, file }: Settings): Promise<Certificate> {
  if (tls === null) return selfSigned(join(data, 'keys'), name);
  try {
    return await readCertificate(tls);
  } catch (error) {
    if (!(error instanceof BadCertificate)) throw error;
    const { which, message, hint } = error;
    if (file !== null) throw new BadFile([problemAt(file, ['tls', which], { message, hint })]);
    throw new BadFile([
      { file: tls[which], line: 1, column: 1, message: `tls.${which}: ${message}`, hint, source: '' },
    ]);
  }
}

/**
 * Our listeners say it in their greeting, so that a next hop which is this gateway under another name is known at once,
 * through any NAT and port forward. No secret: only what a next hop greets with is compared with it. Another one each
 * time, so that a copy of the data folder on another host is somebody else.
 */
export function newGreetingWord(): string {
  return randomBytes(9).toString('base64url');
}

/** Names this host's queue; the same after every restart. */
export function queueHost(name: string): string {
  const host = `${name}.${hostname()}`.toLowerCase().replace(/[^a-z0-9.-]/g, '-');
  return host.slice(0, 100);
}
