// A daemon we run as a child: started, watched, started again, adopted after a crash of ours, stopped in order.
// Made by redis-server.ts and clamd.ts. It lives in a process group of its own, so that Ctrl-C ends Postern first and
// the daemon only when Postern no longer needs it; `stop` is what keeps it from outliving us.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { createOutput, type Output } from './child-output.ts';
import { pause, withDeadline } from './deadline.ts';
import { errorText, type Log } from './log.ts';
import { findMarked, isAlive, isMarked, MARK, type ProcessId, processId } from './process-id.ts';
import { makeFolder, removeFile, writeSafely } from './safe-file.ts';

/** How a part is, in the shape the health page shows. */
export interface PartHealth {
  readonly part: string;
  readonly level: 'ok' | 'degraded' | 'down';
  readonly says: string;
  /** What to do, '' where nothing. */
  readonly next: string;
}

export interface ChildOptions {
  /** Also the name of its pid file and output file: letters, digits, hyphens. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** What else it is started with, such as the text of its configuration: a running one with another is not adopted. */
  readonly fingerprint?: () => string;
  /** Its own folder: pid file and output lie here. */
  readonly folder: string;
  /** Asks it whether it can serve; rejects when it cannot. */
  readonly probe: (signal: AbortSignal) => Promise<void>;
  /** How long `start` waits for the first good answer, and how long the child may load before it counts as hung. */
  readonly readyWithinMs: number;
  /** After SIGTERM this long, then SIGKILL. */
  readonly stopWithinMs: number;
  /** A daemon that was ready and then gives no answer for so long is killed and started again. */
  readonly hungAfterMs: number;
  readonly log: Log;
}

export interface Child {
  /** Starts or adopts it, and supervises it from now on. True when it is ready; false when the time is over. */
  start(): Promise<boolean>;
  isReady(): boolean;
  /** null while none runs. */
  pid(): number | null;
  /** Stops and starts it: for settings that it reads only at start. */
  restart(): Promise<void>;
  health(): PartHealth;
  /** Ends it and its supervision. May be called twice. */
  stop(): Promise<void>;
}

/** Time between two looks at the child. */
const LOOK_EVERY_MS = 500;
const PROBE_MS = 2000;
/** While it starts it is asked more often. */
const START_PROBE_EVERY_MS = 30;
const BACK_OFF_FIRST_MS = 200;
const BACK_OFF_MAX_MS = 30_000;
/** Ready for so long, its next death counts as the first again. */
const STEADY_MS = 60_000;

interface Running {
  readonly id: ProcessId;
  /** null where it was adopted: then only /proc tells when it ends. */
  readonly process: ChildProcess | null;
  readonly since: number;
}

export function createChild(options: ChildOptions): Child {
  return new Supervisor(options);
}

class Supervisor implements Child {
  readonly #options: ChildOptions;
  readonly #log: Log;
  readonly #pidFile: string;
  readonly #mark: string;
  readonly #output: Output;
  readonly #stopping = new AbortController();
  #running: Running | null = null;
  #ready = false;
  #wasReady = false;
  #lastAnswer = 0;
  #failures = 0;
  #problem = 'not started yet';
  #loop: Promise<void> | null = null;

  constructor(options: ChildOptions) {
    const folder = resolve(options.folder);
    this.#options = { ...options, folder };
    this.#log = options.log.with({ child: options.name });
    this.#pidFile = join(folder, `${options.name}.pid`);
    this.#mark = join(folder, options.name);
    this.#output = createOutput(join(folder, `${options.name}.out`), this.#log);
  }

  async start(): Promise<boolean> {
    await makeFolder(this.#options.folder);
    this.#loop ??= this.#supervise();
    const until = Date.now() + this.#options.readyWithinMs;
    while (!this.#ready && Date.now() < until && !this.#stopping.signal.aborted) await pause(START_PROBE_EVERY_MS);
    return this.#ready;
  }

  isReady(): boolean {
    return this.#ready;
  }

  pid(): number | null {
    return this.#running?.id.pid ?? null;
  }

  async restart(): Promise<void> {
    const running = this.#running;
    if (running !== null) await this.#end(running, 'restart asked for');
  }

  health(): PartHealth {
    const part = this.#options.name;
    if (this.#ready) return { part, level: 'ok', says: `runs (pid ${this.pid()})`, next: '' };
    const next = `see ${this.#output.path}`;
    return { part, level: 'down', says: this.#problem, next };
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'));
    await this.#loop;
    const running = this.#running;
    if (running === null) return;
    await this.#end(running, 'Postern stops');
    this.#running = null;
    await removeFile(this.#pidFile);
  }

  /** Until `stop`: a child is there, or is started after a pause that grows. Never throws. */
  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#running = (await this.#adopt()) ?? (await this.#spawn());
        await this.#watch(this.#running);
      } catch (error) {
        if (signal.aborted) return;
        this.#problem = `cannot be started: ${errorText(error)}`;
        this.#log.error({ err: errorText(error) }, 'child cannot be started');
      }
      this.#ready = false;
      if (signal.aborted) return;
      this.#running = null;
      const wait = Math.min(BACK_OFF_FIRST_MS * 2 ** this.#failures++, BACK_OFF_MAX_MS);
      await pause(wait, signal).catch(() => undefined);
    }
  }

  /** Resolves when the child has ended; leaves it running when we stop. */
  async #watch(running: Running): Promise<void> {
    const { signal } = this.#stopping;
    this.#lastAnswer = Date.now();
    this.#wasReady = false;
    while (!signal.aborted) {
      if (!(await this.#isThere(running))) {
        await this.#output.read();
        this.#problem = `ended: ${this.#output.last() || endedBy(running.process)}`;
        this.#log.warn({ pid: running.id.pid, says: this.#problem }, 'child ended, starting it again');
        return;
      }
      await this.#probe(running);
      await this.#output.read();
      await pause(this.#ready ? LOOK_EVERY_MS : START_PROBE_EVERY_MS, signal).catch(() => undefined);
    }
  }

  async #probe(running: Running): Promise<void> {
    try {
      await withDeadline(PROBE_MS, this.#options.name, this.#options.probe, this.#stopping.signal);
      if (!this.#ready) this.#log.info({ pid: running.id.pid, adopted: running.process === null }, 'child is ready');
      this.#ready = this.#wasReady = true;
      this.#lastAnswer = Date.now();
      if (this.#lastAnswer - running.since > STEADY_MS) this.#failures = 0;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#ready = false;
      this.#problem = `does not answer: ${errorText(error)}`;
      const { hungAfterMs, readyWithinMs } = this.#options;
      const patience = this.#wasReady ? hungAfterMs : Math.max(hungAfterMs, readyWithinMs);
      if (Date.now() - this.#lastAnswer > patience) await this.#end(running, 'no answer for too long');
    }
  }

  async #spawn(): Promise<Running> {
    const { command, args, folder } = this.#options;
    await this.#output.begin(true);
    // A file, not a pipe: with a pipe the child would lose its output, or its life, when we crash.
    const output = await open(this.#output.path, 'a', 0o600);
    let child: ChildProcess;
    try {
      const env = { ...environment(), [MARK]: this.#mark };
      child = spawn(command, args, { cwd: folder, env, detached: true, stdio: ['ignore', output.fd, output.fd] });
      await new Promise<void>((done, failed) => child.once('spawn', done).once('error', failed));
    } finally {
      await output.close();
    }
    child.on('error', error => this.#log.error({ err: errorText(error) }, 'child'));
    child.unref();
    const id = (await processId(child.pid ?? 0)) ?? { pid: child.pid ?? 0, startTicks: '' };
    const running = { id, process: child, since: Date.now() };
    try {
      await writeSafely(this.#pidFile, JSON.stringify({ ...id, digest: digestOf(this.#options) }));
    } catch (error) {
      // Not known after a crash of ours: then rather none at all.
      await this.#end(running, 'its pid file cannot be written');
      throw error;
    }
    return running;
  }

  /** The child of an earlier life of ours, if it still runs and was started as we would start it now. */
  async #adopt(): Promise<Running | null> {
    const record = parseRecord(await readFile(this.#pidFile, 'utf8').catch(() => ''));
    const recorded = record !== null && (await isAlive(record)) && (await isMarked(record.pid, this.#mark));
    const id = recorded ? { pid: record.pid, startTicks: record.startTicks } : await findMarked(this.#mark);
    if (id === null) return null;
    const old: Running = { id, process: null, since: Date.now() };
    if (recorded && record.digest === digestOf(this.#options)) {
      await this.#output.begin(false);
      return old;
    }
    await this.#end(old, 'started by an earlier run with other settings');
    return null;
  }

  async #isThere(running: Running): Promise<boolean> {
    const { process: child, id } = running;
    if (child !== null) return child.exitCode === null && child.signalCode === null;
    return isAlive(id);
  }

  /** SIGTERM, then SIGKILL: resolves when the process is gone. */
  async #end(running: Running, why: string): Promise<void> {
    this.#ready = false;
    this.#log.info({ pid: running.id.pid, why }, 'stopping child');
    for (const [signal, withinMs] of [['SIGTERM', this.#options.stopWithinMs] as const, ['SIGKILL', 5000] as const]) {
      if (!(await this.#isThere(running))) return;
      kill(running.id.pid, signal);
      const until = Date.now() + withinMs;
      while (Date.now() < until && (await this.#isThere(running))) await pause(10);
    }
    if (await this.#isThere(running)) this.#log.error({ pid: running.id.pid }, 'child does not end');
  }
}

/** Not all of ours: the environment may hold secrets, and a log of the child's must not. */
function environment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LD_LIBRARY_PATH'];
  const kept = names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(kept), LC_ALL: 'C' };
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone between the look and the signal.
  }
}

function endedBy(child: ChildProcess | null): string {
  if (child === null) return 'it is gone';
  return child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`;
}

/** Names what a child was started as: an old one with other arguments is not the one we want. */
function digestOf({ command, args, fingerprint }: ChildOptions): string {
  const started = JSON.stringify([command, args, fingerprint?.() ?? '']);
  return createHash('sha256').update(started).digest('hex').slice(0, 16);
}

function parseRecord(text: string): (ProcessId & { readonly digest: string }) | null {
  try {
    const { pid, startTicks, digest } = JSON.parse(text);
    const isSound = Number.isInteger(pid) && pid > 1 && typeof startTicks === 'string' && typeof digest === 'string';
    return isSound ? { pid, startTicks, digest } : null;
  } catch {
    return null;
  }
}
