// Runs the real Postern as a child for end-to-end tests: its launcher, its settings, its own folder, free ports.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { waitFor } from './wait-for.ts';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/postern');
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 40_000;

/** Settings: mail is judged by the rules alone. */
export const RULES_ALONE =
  'scanners: {clamav: {enabled: false}, senderAuth: {enabled: false}, dnsLists: {enabled: false}}';

export interface PosternOptions {
  /** YAML below the parts that name folder and ports. */
  readonly settings: string;
  /** A folder of an earlier run; kept by whoever made it. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** A program and its arguments that starts the launcher, and becomes it: `strace -D …`. */
  readonly under?: readonly string[];
}

export interface RunningPostern {
  readonly folder: string;
  readonly port: number;
  readonly trustedPort: number;
  readonly httpPort: number;
  readonly child: ChildProcess;
  /** Everything it has logged so far. */
  log(): string;
  /** Runs a command of the command line with this gateway's settings. */
  cli(...args: readonly string[]): Promise<Said>;
  /** SIGTERM and the wait for its end. */
  stop(): Promise<void>;
  /** SIGKILL: nothing is cleaned up. */
  kill(): Promise<void>;
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise(done => server.close(done));
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** A folder that goes when the test has passed; a failed test leaves it and says where. */
export function testFolder(t: TestContext, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `postern-${name}-`));
  t.after(() => {
    // Known to Node 24, not yet to its types.
    if ((t as { passed?: boolean }).passed === true) rmSync(folder, { recursive: true, force: true });
    else t.diagnostic(`left for a look: ${folder}`);
  });
  return folder;
}

/** Starts it and waits until SMTP answers. */
export async function startPostern(t: TestContext, options: PosternOptions): Promise<RunningPostern> {
  const folder = options.folder ?? testFolder(t, 'run');
  mkdirSync(folder, { recursive: true });
  const [port, trustedPort, httpPort] = [await freePort(), await freePort(), await freePort()];
  const file = join(folder, 'postern.yaml');
  writeFileSync(file, `${head({ port, trustedPort, httpPort })}\n${options.settings}\n`);
  const [program = LAUNCHER, ...args] = [...(options.under ?? []), LAUNCHER, 'serve', '--config', file];
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The machine of a test has no virus signatures.
    env: { ...process.env, POSTERN_TEST_SIGNATURES: 'enough', ...options.environment },
  });
  let log = '';
  child.stderr.on('data', chunk => {
    log += chunk.toString();
  });
  child.stdout.on('data', chunk => {
    log += chunk.toString();
  });
  const ended = new Promise<void>(done => child.once('close', () => done()));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async () => {
    if (hasEnded()) return ended;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  t.after(stop);
  await waitFor(
    'Postern to say that it is ready',
    () => {
      if (hasEnded()) throw new Error(`Postern ended with ${child.exitCode}:\n${log}`);
      return log.includes('"message":"ready"') || log.includes('"msg":"ready"');
    },
    START_WITHIN_MS,
  );
  const cli = (...args: readonly string[]) => runPostern([...args, '--config', file], folder);
  return { folder, port, trustedPort, httpPort, child, log: () => log, cli, stop, kill };
}

/** Runs one command to its end. */
export function runPostern(args: readonly string[], cwd: string, input?: string): Promise<Said> {
  return new Promise(done => {
    const child = execFile(
      LAUNCHER,
      [...args],
      { cwd, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        done({ code, stdout, stderr });
      },
    );
    child.stdin?.end(input ?? '');
  });
}

function head({ port, trustedPort, httpPort }: { port: number; trustedPort: number; httpPort: number }): string {
  return [
    'hostname: mx.example.org',
    'data: ./data',
    'listeners:',
    `  - { name: public, address: "127.0.0.1:${port}" }`,
    `  - { name: trusted, address: "127.0.0.1:${trustedPort}", trusted: true }`,
    `http: 127.0.0.1:${httpPort}`,
  ].join('\n');
}
