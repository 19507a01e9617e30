// A real clamd that knows one signature, the EICAR test file's, so that it starts at once. On a unix socket and a port.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findProgram } from './require.ts';
import { EICAR } from './send.ts';

export interface RealClamd {
  readonly path: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startClamd(settings: readonly string[] = []): Promise<RealClamd> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-clamd-'));
  const path = join(folder, 'clamd.sock');
  const port = await freePort();
  await mkdir(join(folder, 'database'));
  await writeFile(join(folder, 'database', 'test.ndb'), `Eicar-Test:0:*:${Buffer.from(EICAR).toString('hex')}\n`);
  const lines = [
    `DatabaseDirectory ${join(folder, 'database')}`,
    `TemporaryDirectory ${folder}`,
    `LocalSocket ${path}`,
    'TCPAddr 127.0.0.1',
    `TCPSocket ${port}`,
    'Foreground yes',
    'SelfCheck 0',
    'ConcurrentDatabaseReload no',
    ...(process.getuid?.() === 0 ? ['User root'] : []),
    ...settings,
  ];
  const config = join(folder, 'clamd.conf');
  await writeFile(config, `${lines.join('\n')}\n`);
  const child = spawn(findProgram('clamd') ?? 'clamd', ['-c', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said += chunk));
  const exit = new Promise(resolve => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  const until = Date.now() + 20_000;
  while (!(await listens(path))) {
    if (child.exitCode === null && Date.now() < until) continue;
    await stop();
    throw new Error(`clamd did not start: ${said}`);
  }
  return { path, port, pid: child.pid ?? 0, stop };
}

function listens(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path);
    const end = (answer: boolean) => {
      socket.destroy();
      setTimeout(() => resolve(answer), answer ? 0 : 20);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>(resolve => server.close(() => resolve()));
  return port;
}
