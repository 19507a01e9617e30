// The faults: of each part the ways it fails, and every failpoint with what can happen there. A fault begins, lasts, and
// ends by itself; what it broke comes back without a hand, or the run fails.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { FAILPOINTS, type FailpointName } from '../../src/platform/failpoint.ts';
import { askSocket, socketPath } from '../../src/platform/unix-socket.ts';
import { type ChildName, childrenOf } from '../support/children.ts';
import type { ClamdMode } from '../support/fake-clamd.ts';
import type { HopMode } from './hop-process.ts';
import type { World } from './world.ts';

export interface Fault {
  readonly kind: string;
  /** Lasts about `ms`, and resolves with false where it did not come about. */
  apply(world: World, ms: number): Promise<boolean>;
}

/** How long a failpoint may wait for somebody to come by. */
const REACHED_WITHIN_MS = 3000;
const LOOK_MS = 20;

export const PART_FAULTS: readonly Fault[] = [
  fault('Postern killed', async ({ gateway }) => gateway.signal('SIGKILL')),
  fault('Postern stopped', async ({ gateway }, ms) => {
    gateway.signal('SIGSTOP');
    await pause(ms);
    gateway.signal('SIGCONT');
  }),
  ...(['redis-queue', 'redis-memory'] as const).flatMap(name => [
    { kind: `${name} killed`, apply: async (world: World) => signalChild(world, name, 'SIGKILL') },
    {
      kind: `${name} stopped`,
      apply: async (world: World, ms: number) => {
        if (!signalChild(world, name, 'SIGSTOP')) return false;
        await pause(ms);
        signalChild(world, name, 'SIGCONT');
        return true;
      },
    },
    { kind: `${name} emptied`, apply: (world: World) => flush(world, name) },
  ]),
  fault('clamd killed', async ({ clamd }, ms) => {
    await clamd.kill();
    await pause(ms);
    await clamd.start();
  }),
  fault('clamd stopped', async ({ clamd }, ms) => {
    clamd.signal('SIGSTOP');
    await pause(ms);
    clamd.signal('SIGCONT');
  }),
  ...(['garbage', 'stall', 'reset', 'half', 'early'] as const).map(clamdLies),
  fault('name server killed', async ({ dns }, ms) => {
    await dns.killServer();
    await pause(ms);
    await dns.startServer();
  }),
  fault('name server stopped', async ({ dns }, ms) => {
    dns.signalServer('SIGSTOP');
    await pause(ms);
    dns.signalServer('SIGCONT');
  }),
  ...(['silent', 'garbage'] as const).map(mode =>
    fault(`name server: ${mode}`, async ({ dns }, ms) => {
      dns.mode = mode;
      await pause(ms);
      dns.mode = 'open';
    }),
  ),
  fault('next hop killed', async ({ hop }, ms) => {
    await hop.kill();
    await pause(ms);
    await hop.start();
  }),
  fault('next hop stopped', async ({ hop }, ms) => {
    hop.signal('SIGSTOP');
    await pause(ms);
    hop.signal('SIGCONT');
  }),
  fault('next hop cut off', async ({ hop }) => hop.tell({ hangUp: true })),
  ...(
    [
      ...(['4yz at RCPT', '4yz at the dot', '5yz at RCPT', '5yz at the dot', 'slow', 'reset in DATA'] as const),
      ...(['closed at the dot', 'silent after the dot', 'reset after the dot'] as const),
      ...(['garbage at RCPT', 'garbage after the dot'] as const),
    ] as const
  ).map(hopMisbehaves),
  { kind: 'database locked', apply: lockDatabase },
];

/** Where the run has a disk of its own. */
export const DISK_FAULTS: readonly Fault[] = [
  {
    kind: 'disk full',
    apply: async ({ disk }, ms) => {
      const isFull = disk?.fill() === true;
      await pause(2 * ms);
      disk?.free();
      return isFull;
    },
  },
];

const IO: readonly FailpointName[] = [
  ...(['spool.create', 'spool.write', 'spool.seal', 'spool.sealed', 'spool.remove'] as const),
  ...(['hold.bytes', 'hold.sync', 'hold.record', 'file.rename', 'hold.row', 'store.write', 'record'] as const),
];
const ON_THREADS: readonly FailpointName[] = ['thread.expand', 'store.write', 'store.committed', 'store.read'];

export const NAMES = Object.keys(FAILPOINTS) as readonly FailpointName[];

/** Every failpoint with everything that can happen there. */
export const FAILPOINT_FAULTS: readonly Fault[] = NAMES.flatMap(name => [
  failpointFault(name, 'kill'),
  failpointFault(name, 'throw'),
  // The threads of the database wait for nothing.
  ...(name.startsWith('store.') ? [] : [failpointFault(name, 'stall 300')]),
  ...(IO.includes(name) ? [failpointFault(name, 'ENOSPC')] : []),
  ...(ON_THREADS.includes(name) ? [failpointFault(name, 'exit')] : []),
]);

/** The slowest machine brings a message by each place within this. */
const SURELY_REACHED_MS = 60_000;

/** In the short run: each place once with an error, and where that says the most with something worse. */
export const SHORT_FAILPOINT_FAULTS: readonly Fault[] = [
  ...NAMES.map(name => failpointFault(name, 'throw', SURELY_REACHED_MS)),
  ...(['spool.write', 'hold.sync', 'file.rename', 'store.write'] as const).map(name =>
    failpointFault(name, 'ENOSPC', SURELY_REACHED_MS),
  ),
  ...(['thread.expand', 'store.committed', 'store.read'] as const).map(name =>
    failpointFault(name, 'exit', SURELY_REACHED_MS),
  ),
  // Between what is safe and its reply, and between the next hop's word and ours: where mail could be lost or doubled.
  ...(['hop.answer', 'hold.row', 'release.answer'] as const).map(name =>
    failpointFault(name, 'kill', SURELY_REACHED_MS),
  ),
];

/** False where nobody came by in time. */
export function failpointFault(name: FailpointName, action: string, withinMs = REACHED_WITHIN_MS): Fault {
  return {
    kind: `${name}: ${action}`,
    apply: async ({ gateway }) => {
      gateway.arm(name, action);
      const until = Date.now() + withinMs;
      while (gateway.isArmed(name) && Date.now() < until) await pause(LOOK_MS);
      return !gateway.disarm(name);
    },
  };
}

function fault(kind: string, work: (world: World, ms: number) => Promise<void>): Fault {
  return {
    kind,
    apply: async (world, ms) => {
      await work(world, ms);
      return true;
    },
  };
}

function clamdLies(mode: ClamdMode): Fault {
  return fault(`clamd: ${mode}`, async ({ clamd }, ms) => {
    await clamd.tell({ mode });
    await pause(ms);
    await clamd.tell({ mode: 'honest' });
  });
}

function hopMisbehaves(mode: HopMode): Fault {
  return fault(`next hop: ${mode}`, async ({ hop }, ms) => {
    await hop.tell({ mode });
    await pause(ms);
    // Those that wait for it would wait for minutes.
    await hop.tell({ mode: 'good', hangUp: true });
  });
}

function signalChild({ gateway }: World, name: ChildName, signal: NodeJS.Signals): boolean {
  const pid = childrenOf(gateway.data).get(name);
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
    return false;
  }
}

async function flush({ gateway }: World, name: 'redis-queue' | 'redis-memory'): Promise<boolean> {
  const socket = await socketPath(join(gateway.data, 'redis', name.slice('redis-'.length)), 'redis.sock');
  const isWhole = (text: string) => text.endsWith('\r\n');
  const answer = await askSocket(socket, { send: 'FLUSHALL\r\n', isWhole }, AbortSignal.timeout(1000)).catch(() => '');
  return answer.startsWith('+OK');
}

/** As somebody who opened the database with a tool and went for coffee. */
async function lockDatabase({ gateway }: World, ms: number): Promise<boolean> {
  const database = new DatabaseSync(join(gateway.data, 'postern.db'), { timeout: 500 });
  try {
    database.exec('BEGIN IMMEDIATE');
    await pause(ms);
    database.exec('ROLLBACK');
    return true;
  } catch {
    return false;
  } finally {
    database.close();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
