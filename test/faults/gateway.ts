// Postern under a supervisor, as systemd with Restart=always would run it: on the same ports and data, again and again.
// Ends that nobody has caused are remembered: they are failures of the run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { HealthReport } from '../../src/assembly/health.ts';
import { FAILPOINTS, type FailpointName } from '../../src/platform/failpoint.ts';
import { childrenOf } from '../support/children.ts';
import { freePort, runPostern, type Said } from '../support/postern.ts';
import { waitFor } from '../support/wait-for.ts';

const LAUNCHER = resolve(import.meta.dirname, '../../bin/postern');
const RESTART_AFTER_MS = 100;
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 40_000;
const HEALTH_WITHIN_MS = 5000;

export class Gateway {
  readonly folder: string;
  readonly data: string;
  port = 0;
  /** How often it was started. */
  starts = 0;
  /** Epoch milliseconds of its ends by SIGKILL. */
  readonly kills: number[] = [];
  /** Ends that were not asked for. */
  readonly deaths: string[] = [];
  #child: ChildProcess | null = null;
  #http = 0;
  #isWanted = false;

  constructor(folder: string) {
    this.folder = folder;
    this.data = join(folder, 'data');
  }

  get log(): string {
    return join(this.folder, 'postern.log');
  }

  get #failpoints(): string {
    return join(this.folder, 'failpoints');
  }

  /** `settings` are YAML without folders and ports. */
  async start(settings: readonly string[]): Promise<void> {
    mkdirSync(this.#failpoints, { recursive: true });
    [this.port, this.#http] = [await freePort(), await freePort()];
    const places = [
      'hostname: mx.example.org',
      'data: ./data',
      `listeners: [{ name: public, address: "127.0.0.1:${this.port}" }]`,
      `http: 127.0.0.1:${this.#http}`,
    ];
    writeFileSync(join(this.folder, 'postern.yaml'), [...places, ...settings, ''].join('\n'));
    this.#isWanted = true;
    this.#run();
    await this.ready();
  }

  /** Until a client is greeted. */
  async ready(): Promise<void> {
    await waitFor(`Postern to take mail (${this.log})`, async () => (await this.health()) !== null, READY_WITHIN_MS);
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#isWanted = true;
    this.#run();
    await this.ready();
  }

  /** In order. Its children end with it. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    const child = this.#child;
    if (child === null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    const [code, signal] = await ended;
    clearTimeout(timer);
    if (code !== 0) this.deaths.push(`told to stop, it ended with ${code ?? signal}`);
  }

  /** The end of everything, whatever is left. */
  async end(): Promise<void> {
    this.#isWanted = false;
    this.signal('SIGKILL');
    for (const pid of childrenOf(this.data).values()) process.kill(pid, 'SIGKILL');
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  /** null where it does not answer. */
  async health(): Promise<(HealthReport & { readonly ok: boolean }) | null> {
    try {
      const signal = AbortSignal.timeout(HEALTH_WITHIN_MS);
      const answer = await fetch(`http://127.0.0.1:${this.#http}/health`, { signal });
      return { ...((await answer.json()) as HealthReport), ok: answer.ok };
    } catch {
      return null;
    }
  }

  cli(...args: readonly string[]): Promise<Said> {
    return runPostern([...args, '--config', join(this.folder, 'postern.yaml')], this.folder);
  }

  arm(name: FailpointName, action: string): void {
    writeFileSync(join(this.#failpoints, name), action);
  }

  /** True where it had not fired. */
  disarm(name: FailpointName): boolean {
    const file = join(this.#failpoints, name);
    const isThere = existsSync(file);
    rmSync(file, { force: true });
    return isThere;
  }

  disarmAll(): void {
    for (const name of Object.keys(FAILPOINTS)) rmSync(join(this.#failpoints, name), { force: true });
  }

  isArmed(name: FailpointName): boolean {
    return existsSync(join(this.#failpoints, name));
  }

  /** The last lines of the log. */
  lastWords(lines = 20): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').split('\n').slice(-lines).join('\n') : '';
  }

  get logBytes(): number {
    return existsSync(this.log) ? statSync(this.log).size : 0;
  }

  #run(): void {
    const log = openSync(this.log, 'a', 0o600);
    const env = { ...process.env, POSTERN_FAILPOINTS: this.#failpoints };
    const args = ['serve', '--config', join(this.folder, 'postern.yaml')];
    const child = spawn(LAUNCHER, args, { cwd: this.folder, stdio: ['ignore', log, log], env, detached: true });
    closeSync(log);
    // In a group of its own: Ctrl-C is for the run, which ends it in order.
    this.starts++;
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#child = null;
      if (signal === 'SIGKILL') this.kills.push(Date.now());
      else if (this.#isWanted) this.deaths.push(`ended by itself with ${code ?? signal}: ${this.lastWords(5)}`);
      if (this.#isWanted) setTimeout(() => this.#isWanted && this.#child === null && this.#run(), RESTART_AFTER_MS);
    });
  }
}
