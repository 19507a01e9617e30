// A real redis-server of a test's own, that the test can kill, stop for a while and start again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { askSocket } from '../../src/platform/unix-socket.ts';
import { waitFor } from './wait-for.ts';

export interface TestRedis {
  readonly url: string;
  start(): Promise<void>;
  /** kill -9: nothing is kept, for these servers have no persistence. */
  kill(): Promise<void>;
  /** SIGSTOP: it is there and does not answer. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** Sends a line of the protocol: `DBSIZE`. */
  say(command: string): Promise<string>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

/** Not started yet. */
export async function createTestRedis(args: readonly string[] = []): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-redis-'));
  const socket = join(folder, 'r.sock');
  let server: ChildProcess | null = null;
  const say = (command: string) =>
    askSocket(socket, { send: `${command}\r\n`, isWhole: text => text.endsWith('\r\n') }, AbortSignal.timeout(5000));

  async function kill(): Promise<void> {
    const running = server;
    server = null;
    if (running === null || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
  }

  return {
    url: `unix://${socket}`,
    start: async () => {
      const fixed = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--loglevel', 'warning'];
      server = spawn('redis-server', [...fixed, ...args], { stdio: 'ignore' });
      await waitFor('redis-server answers', async () => (await say('PING').catch(() => '')) === '+PONG\r\n');
    },
    kill,
    freeze: () => server?.kill('SIGSTOP'),
    thaw: () => server?.kill('SIGCONT'),
    say,
    remove: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
