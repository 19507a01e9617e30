// A real Postfix of a test's own, from the private folder that scripts/setup/postfix.sh unpacks: own configuration,
// queue, port and log; never the host's mail server. Postfix needs root, so without it the test is passed over.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

import { passOver } from './require.ts';
import { waitFor } from './wait-for.ts';

export interface TestPostfix {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** What it has logged so far. */
  log(): Promise<string>;
  /** Runs one of its programs: `run('postqueue', '-p')`; resolves with its output. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** SIGSTOP to all its processes: it is there and does not answer. */
  freeze(): void;
  thaw(): void;
  /** Ends it; `start` brings it back on the same port with the same queue. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its folder. */
  remove(): Promise<void>;
}

export interface PostfixOptions {
  /** Lines of main.cf on top of ours, by name: `{ relay_domains: 'example.com', relay_transport: 'lmtp:unix:…' }`. */
  readonly main: Readonly<Record<string, string>>;
  /** More lines of master.cf. */
  readonly master?: readonly string[];
}

const UNPACKED = fileURLToPath(new URL('../../.local/debian/', import.meta.url));
const DAEMONS = join(UNPACKED, 'usr/lib/postfix/sbin');
/** Accounts that every Debian has: the package would make `postfix` and `postdrop`, but it is not installed. */
const OWNER = 'mail';
const SUBMITTERS = 'uucp';
const QUEUE_FOLDERS = ['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'private'];

/** True when Postfix can be run here; else the test is skipped or failed (see require.ts), and its body must return. */
export function needsPostfix(t: TestContext): boolean {
  if (libraryPath() === null) return passOver(t, 'no Postfix in .local/debian: run `sh scripts/setup.sh test`');
  if (process.getuid?.() !== 0) return passOver(t, 'Postfix runs as root only');
  return true;
}

/** Not started yet. */
export async function createTestPostfix(options: PostfixOptions): Promise<TestPostfix> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-postfix-'));
  const port = await freePort();
  const config = join(folder, 'etc');
  const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  await makeFolders(folder);
  await writeFile(join(config, 'main.cf'), mainCf(folder, options.main));
  await writeFile(join(config, 'master.cf'), masterCf(port, options.master ?? []));
  const env = { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: libraryPath() ?? '', MAIL_CONFIG: config };
  let master: ChildProcess | null = null;
  // The negative number is the process group: master and all it has started.
  const signal = (name: NodeJS.Signals) => {
    if (master?.pid !== undefined) process.kill(-master.pid, name);
  };
  const stop = async () => {
    if (master === null || master.exitCode !== null || master.signalCode !== null) return;
    const ended = once(master, 'exit');
    signal('SIGKILL');
    await ended;
    await rm(join(folder, 'spool/pid/master.pid'), { force: true });
    master = null;
  };
  return {
    port,
    log,
    run: (program, ...args) => output(join(UNPACKED, 'usr/sbin', program), args, env),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    stop,
    start: async () => {
      master = spawn(join(DAEMONS, 'master'), ['-c', config, '-d'], { env, detached: true, stdio: 'ignore' });
      await waitFor('Postfix greets', () => greets(port)).catch(async error => {
        throw new Error(`Postfix did not start; its log:\n${await log()}`, { cause: error });
      });
    },
    remove: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeFolders(folder: string): Promise<void> {
  const owner = idOf('/etc/passwd', OWNER);
  const submitters = idOf('/etc/group', SUBMITTERS);
  const make = async (name: string, mode: number, uid: number, gid: number) => {
    const path = join(folder, name);
    await mkdir(path, { recursive: true });
    await chown(path, uid, gid);
    await chmod(path, mode);
  };
  await chmod(folder, 0o755);
  await make('etc', 0o755, 0, 0);
  await make('data', 0o700, owner, 0);
  await make('spool', 0o755, 0, 0);
  await make('spool/pid', 0o755, 0, 0);
  for (const name of [...QUEUE_FOLDERS, 'saved', 'trace']) await make(`spool/${name}`, 0o700, owner, 0);
  await make('spool/maildrop', 0o730, owner, submitters);
  await make('spool/public', 0o710, owner, submitters);
}

function mainCf(folder: string, own: Readonly<Record<string, string>>): string {
  const settings = {
    compatibility_level: '3.6',
    command_directory: join(UNPACKED, 'usr/sbin'),
    daemon_directory: DAEMONS,
    meta_directory: join(UNPACKED, 'etc/postfix'),
    shlib_directory: 'no',
    queue_directory: join(folder, 'spool'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    mail_owner: OWNER,
    setgid_group: SUBMITTERS,
    default_privs: 'nobody',
    // Its daemons get only this of the environment; the libraries are not where their RUNPATH says.
    import_environment: `MAIL_CONFIG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME LD_LIBRARY_PATH=${libraryPath()}`,
    myhostname: 'hop.example',
    mydestination: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    alias_maps: '',
    smtpd_recipient_restrictions: 'permit_mynetworks, reject_unauth_destination',
    smtp_dns_support_level: 'disabled',
    ...own,
  };
  return `${Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n')}\n`;
}

function masterCf(port: number, own: readonly string[]): string {
  const line = (name: string, is: string, limit = '-', program = name) =>
    `${name} ${is === 'private' ? 'unix - -' : 'unix n -'} n ${name === 'qmgr' ? '300' : '-'} ${limit} ${program}`;
  return `${[
    `${port} inet n - n - - smtpd`,
    line('cleanup', 'public', '0'),
    line('qmgr', 'public', '1'),
    line('showq', 'public'),
    line('rewrite', 'private', '-', 'trivial-rewrite'),
    line('bounce', 'private', '0'),
    line('defer', 'private', '0', 'bounce'),
    line('trace', 'private', '0', 'bounce'),
    line('verify', 'private', '1'),
    line('proxymap', 'private'),
    line('smtp', 'private'),
    line('relay', 'private', '-', 'smtp'),
    line('lmtp', 'private'),
    line('virtual', 'private'),
    line('discard', 'private'),
    line('error', 'private'),
    line('retry', 'private', '-', 'error'),
    line('anvil', 'private', '1'),
    line('scache', 'private', '1'),
    'postlog unix-dgram n - n - 1 postlogd',
    ...own,
  ].join('\n')}\n`;
}

/** The unpacked folders with libraries, joined by colons; null where nothing is unpacked. */
function libraryPath(): string | null {
  try {
    const lines = readFileSync(join(UNPACKED, 'library-path'), 'utf8').trim().split('\n');
    return lines.map(line => join(UNPACKED, line)).join(':');
  } catch {
    return null;
  }
}

function idOf(file: string, name: string): number {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find(entry => entry.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  if (!Number.isInteger(id)) throw new Error(`${file} knows no ${name}`);
  return id;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether the port sends the first line of a mail server. */
async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [chunk] = await once(socket, 'data', { signal: AbortSignal.timeout(1000) });
    return String(chunk).startsWith('220 ');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', chunk => {
    said += chunk;
  });
  child.stderr.on('data', chunk => {
    said += chunk;
  });
  await once(child, 'close');
  return said;
}
