// A real unbound that answers from a few lines of zone data and knows nothing else. On a free port of 127.0.0.1.

import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CachedResolver } from '../../src/platform/dns.ts';
import { findProgram } from './require.ts';
import { waitFor } from './wait-for.ts';

export interface Unbound {
  /** `127.0.0.1:5353`, as a resolver's server. */
  readonly server: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const TRIES_MAX = 5;

/**
 * `records` are lines of a zone file: `a.example.org. 60 IN A 192.0.2.1`. All else does not exist. All names below one of
 * `redirects` have its records: `example.net.`.
 */
export async function startUnbound(records: readonly string[], redirects: readonly string[] = []): Promise<Unbound> {
  // A port that was free for UDP may be taken for TCP, or meanwhile.
  for (let tries = 1; ; tries++) {
    try {
      return await start({ records, redirects });
    } catch (error) {
      if (tries === TRIES_MAX || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function start(zones: Zones): Promise<Unbound> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-unbound-'));
  const port = await freeUdpPort();
  const config = join(folder, 'unbound.conf');
  await writeFile(config, configuration(folder, port, zones));
  const child = spawn(findProgram('unbound') ?? 'unbound', ['-d', '-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  const server = `127.0.0.1:${port}`;
  const stop = async () => {
    await ended(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    // Not asked before it listens: among thousands of questions to a port where nobody is, one is sent from that very port,
    // gets itself for an answer, and keeps unbound from taking it (seen as ECONNREFUSED in all tests of a file).
    await waitFor('unbound to listen', () => child.exitCode !== null || said.includes('start of service'), 10_000);
    await answers(server, child);
  } catch (error) {
    await stop();
    throw new Error(`unbound did not start: ${said}`, { cause: error });
  }
  return { server, pid: child.pid ?? 0, stop };
}

interface Zones {
  readonly records: readonly string[];
  readonly redirects: readonly string[];
}

function configuration(folder: string, port: number, { records, redirects }: Zones): string {
  const local = records.map(record => `  local-data: '${record}'`);
  return [
    'server:',
    `  directory: "${folder}"`,
    `  pidfile: "${folder}/unbound.pid"`,
    '  chroot: ""',
    '  username: ""',
    '  use-syslog: no',
    '  logfile: ""',
    '  do-daemonize: no',
    '  interface: 127.0.0.1',
    `  port: ${port}`,
    '  num-threads: 1',
    '  module-config: "iterator"',
    '  local-zone: "." static',
    ...redirects.map(name => `  local-zone: "${name}" redirect`),
    ...local,
    'remote-control:',
    '  control-enable: no',
    '',
  ].join('\n');
}

async function answers(server: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + 10_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error('it ended');
    const resolver = new CachedResolver({ servers: [server], deadlineMs: 300 });
    const code = await resolver.resolve('ready.example', 'A').then(
      () => 'answer',
      error => error.code,
    );
    resolver.close();
    if (code === 'answer' || code === 'ENOTFOUND' || code === 'ENODATA') return;
    if (Date.now() > until) throw new Error(`no answer: ${code}`);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

/** Freed again before unbound takes it: another process may be faster, then the start fails and says so. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>(resolve => socket.close(() => resolve()));
  return port;
}
