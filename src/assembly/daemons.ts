// The daemons of the embedded default: two redis-servers and clamd as children. Where the settings name servers of the
// site's own, nothing is started.

import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { Health } from '../mail/ports.ts';
import type { Child } from '../platform/child.ts';
import { type Clamd, createClamd } from '../platform/clamd.ts';
import { errorText, type Log } from '../platform/log.ts';
import { findProgram } from '../platform/program.ts';
import { createRedisServer } from '../platform/redis-server.ts';

export interface Daemons {
  readonly queueUrl: string;
  readonly memoryUrl: string;
  /** null where it is not ours, or switched off. */
  readonly clamd: Clamd | null;
  health(): readonly Health[];
  stop(): Promise<void>;
}

/** Where freshclam keeps its signatures on Debian. */
export const SIGNATURES = '/var/lib/clamav';

/** Redis is waited for, clamd is not: it loads its signatures for up to a minute, and its scanner says unavailable. */
export async function startDaemons(settings: Settings, log: Log): Promise<Daemons> {
  const children: Child[] = [];
  // Children know their folder by its name: by whatever way we came to it, those of an earlier life are ours.
  const data = await realpath(settings.data);
  const stop = async () => {
    await Promise.all(children.map(child => child.stop()));
  };
  const redis = async (kind: 'queue' | 'memory'): Promise<string> => {
    const url = settings.redis[kind];
    if (url !== 'embedded') return url;
    const folder = join(data, 'redis', kind);
    const server = await createRedisServer({ program: await program('redis-server'), folder, kind, log });
    children.push(server);
    if (!(await server.start())) log.warn({ redis: kind }, 'redis-server is not ready yet');
    return server.url;
  };
  const startClamd = async (): Promise<Clamd | null> => {
    const { enabled, address, maxBytes } = settings.scanners.clamav;
    if (!enabled || address.kind !== 'embedded') return null;
    const clamd = await createClamd({
      program: await program('clamd'),
      folder: join(data, 'clamd'),
      signatures: SIGNATURES,
      maxMessageBytes: maxBytes,
      concurrency: CLAMD_THREADS,
      log,
    });
    children.push(clamd);
    clamd.start().catch(error => log.error({ error: errorText(error) }, 'clamd does not start'));
    return clamd;
  };
  try {
    const [queueUrl, memoryUrl, clamd] = await Promise.all([redis('queue'), redis('memory'), startClamd()]);
    return { queueUrl, memoryUrl, clamd, stop, health: () => children.map(healthOf) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Without the memory mail flows (DESIGN section 8): that is a warning, no alarm. */
function healthOf(child: Child): Health {
  const health = child.health();
  return health.part === 'redis-memory' && health.level === 'down' ? { ...health, level: 'degraded' } : health;
}

/** Streams that our clamd scans at once: more than there are cores only share them. */
export const CLAMD_THREADS = 8;

async function program(name: string): Promise<string> {
  const path = await findProgram(name);
  if (path !== null) return path;
  throw new Error(`${name} is not installed: run "npm start" once, or install it (apt-get install ${PACKAGES[name]})`);
}

const PACKAGES: Readonly<Record<string, string>> = { 'redis-server': 'redis-server', clamd: 'clamav-daemon' };
