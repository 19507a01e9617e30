// The two redis-servers of the embedded default: one for the queue, one for what may be forgotten. Children of
// main.ts; nobody reaches them but through a unix socket in a folder of ours.

import { join, resolve } from 'node:path';

import { type Child, createChild, type PartHealth } from './child.ts';
import type { Log } from './log.ts';
import { makeFolder } from './safe-file.ts';
import { askSocket, socketPath } from './unix-socket.ts';

export interface RedisServerOptions {
  /** Path of redis-server, 6.2 or later. */
  readonly program: string;
  /** Its own folder, such as data/redis/queue. */
  readonly folder: string;
  /** queue: every job is on disk within a second, and a full memory is an error. memory: the oldest is forgotten. */
  readonly kind: 'queue' | 'memory';
  /** Megabytes for data; default 256 for the queue (jobs are ids: it stays almost empty), 128 for memory. */
  readonly maxMemoryMb?: number;
  readonly log: Log;
}

export interface RedisServer extends Child {
  readonly socketPath: string;
  /** Where redis.ts and queue.ts find it. */
  readonly url: string;
}

const READY_WITHIN_MS = 20_000;
/** Redis writes its append-only file when it is asked to end. */
const STOP_WITHIN_MS = 10_000;
/** A disk that stands still for seconds makes Redis silent; longer than this it does not come back by itself. */
const HUNG_AFTER_MS = 60_000;

/** Prepares folder and socket path; the server is started by `start`. */
export async function createRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const folder = resolve(options.folder);
  await makeFolder(folder);
  const socket = await socketPath(folder, 'redis.sock');
  const child = createChild({
    name: `redis-${options.kind}`,
    command: options.program,
    args: redisArguments(options, folder, socket),
    folder,
    probe: async signal => {
      const isWhole = (answer: string) => answer.includes('\r\n');
      const answer = await askSocket(socket, { send: 'PING\r\n', isWhole }, signal);
      // Everything else is `-LOADING` or a server that is none.
      if (answer !== '+PONG\r\n') throw new Error(`answers ${answer.trim().slice(0, 100)}`);
    },
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    hungAfterMs: HUNG_AFTER_MS,
    log: options.log,
  });
  return {
    socketPath: socket,
    url: `unix://${socket}`,
    start: () => child.start(),
    isReady: () => child.isReady(),
    pid: () => child.pid(),
    restart: () => child.restart(),
    health: () => withAdvice(child.health(), folder),
    stop: () => child.stop(),
  };
}

/** An append-only file that a full disk or a bad one has damaged in its middle keeps the server from starting. */
function withAdvice(health: PartHealth, folder: string): PartHealth {
  if (health.level === 'ok' || !/append only file|AOF/i.test(health.says)) return health;
  const next = `stop Postern and remove ${join(folder, 'appendonlydir')}: jobs in it are sent again by their senders`;
  return { ...health, next };
}

/** Arguments and no configuration file: what runs can be seen with ps, and nothing on the host adds to it. */
function redisArguments(options: RedisServerOptions, folder: string, socket: string): string[] {
  const maxMemoryMb = options.maxMemoryMb ?? (options.kind === 'queue' ? 256 : 128);
  const common = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: folder,
    databases: '1',
    daemonize: 'no',
    // The title would overwrite the environment, which holds the mark we know our children by.
    'set-proc-title': 'no',
    'always-show-logo': 'no',
    loglevel: 'notice',
    maxmemory: `${maxMemoryMb}mb`,
    save: '',
  };
  const kind =
    options.kind === 'queue'
      ? { appendonly: 'yes', appendfsync: 'everysec', 'aof-load-truncated': 'yes', 'maxmemory-policy': 'noeviction' }
      : { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' };
  return Object.entries({ ...common, ...kind }).flatMap(([name, value]) => [`--${name}`, value]);
}
