// The clamd of the embedded default: a child of main.ts that listens on a unix socket in a folder of ours. It uses the
// signatures that freshclam keeps on this host, and until there are any a signature of our own for the EICAR test file,
// which proves that the way works and protects from nothing: health is red then.

import { access, copyFile, readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { type Child, createChild, type PartHealth } from './child.ts';
import { errorText, type Log } from './log.ts';
import { makeFolder, writeSafely } from './safe-file.ts';
import { askSocket, socketPath } from './unix-socket.ts';

export interface ClamdOptions {
  /** Path of clamd, 0.103 or later. */
  readonly program: string;
  /** Its own folder, such as data/clamd. */
  readonly folder: string;
  /** Where freshclam puts its signatures; /var/lib/clamav on Debian. */
  readonly signatures: string;
  /** The largest message there can be: clamd takes a little more. */
  readonly maxMessageBytes: number;
  /** Scans at once. */
  readonly concurrency: number;
  readonly log: Log;
  /** How often it is looked for new signatures; for tests. */
  readonly lookEveryMs?: number;
}

export interface Clamd extends Child {
  readonly socketPath: string;
  /** installed: those of freshclam; none: only our own for the test file. */
  signatures(): 'installed' | 'none';
}

/** `unknown`: they have changed, and it does not run with the new ones yet. */
type Known = 'installed' | 'none' | 'unknown';

/** All signatures take 10 to 60 s to load. */
const READY_WITHIN_MS = 180_000;
const STOP_WITHIN_MS = 10_000;
/** A reload of all signatures beside running scans can make it silent for long on a small host. */
const HUNG_AFTER_MS = 120_000;
/** Freshclam may bring the first signatures at any time. */
const SIGNATURES_EVERY_MS = 30_000;
/** Smaller files are no signature bases of ClamAV, but leftovers of a download. */
const SIGNATURES_MIN_BYTES = 512;
const SIGNATURE_FILE = /\.(?:cvd|cld|cud)$/;
/** Room for the wrapping of INSTREAM and for our own header. */
const STREAM_SLACK_BYTES = 1024 * 1024;
/** Unpacked content of one message. */
const SCAN_TIMES_MESSAGE = 4;
const SCAN_TIME_MS = 60_000;

export async function createClamd(options: ClamdOptions): Promise<Clamd> {
  const folder = resolve(options.folder);
  const own = join(folder, 'signatures');
  for (const made of [folder, own, join(folder, 'tmp')]) await makeFolder(made);
  const socket = await socketPath(folder, 'clamd.sock');
  const config = join(folder, 'clamd.conf');
  const program = await runnable(options, folder);
  await writeSafely(join(own, 'postern-test.ndb'), `${testSignature()}\n`);
  let text = '';
  /** What the one that runs was started with. */
  let known: Known = 'none';
  let isChanging = false;
  let watch: NodeJS.Timeout | undefined;

  const look = async () => ((await hasSignatures(options.signatures)) ? 'installed' : 'none');

  async function configure(found: 'installed' | 'none'): Promise<void> {
    const database = found === 'installed' ? resolve(options.signatures) : own;
    const next = clamdConfig(options, { socket, folder, database });
    // Where the write fails nobody knows which of the two it was, so what is started then is adopted by no later run.
    text = '';
    await writeSafely(config, next);
    text = next;
  }

  const child = createChild({
    name: 'clamd',
    command: program,
    args: [`--config-file=${config}`],
    fingerprint: () => text,
    folder,
    probe: async signal => {
      const isWhole = (answer: string) => answer.includes('\0');
      const answer = await askSocket(socket, { send: 'zPING\0', isWhole }, signal);
      if (answer !== 'PONG\0') throw new Error(`answers ${answer.slice(0, 100)}`);
    },
    readyWithinMs: READY_WITHIN_MS,
    stopWithinMs: STOP_WITHIN_MS,
    hungAfterMs: HUNG_AFTER_MS,
    log: options.log,
  });

  /** Signatures that came (or went) while it runs; those that only change are found by clamd itself. */
  async function lookForSignatures(): Promise<void> {
    const now = await look();
    if (now === known || isChanging) return;
    options.log.warn({ child: 'clamd', was: known, now }, 'virus signatures have changed, starting clamd again');
    isChanging = true;
    // Until it runs with the new ones, and where that fails until a later look has done it (I8).
    known = 'unknown';
    try {
      await configure(now);
      await child.restart();
      known = now;
    } finally {
      isChanging = false;
    }
  }

  return {
    socketPath: socket,
    signatures: () => (known === 'installed' ? 'installed' : 'none'),
    start: async () => {
      const found = await look();
      await configure(found);
      known = found;
      if (found === 'none') {
        const next = 'run freshclam: what it brings is used without a restart';
        options.log.warn({ child: 'clamd', folder: options.signatures, next }, 'no virus signatures');
      }
      watch ??= setInterval(() => {
        lookForSignatures().catch(error => options.log.error({ err: errorText(error) }, 'clamd signatures'));
      }, options.lookEveryMs ?? SIGNATURES_EVERY_MS);
      watch.unref();
      return child.start();
    },
    isReady: () => child.isReady(),
    pid: () => child.pid(),
    restart: () => child.restart(),
    health: () => clamdHealth(child.health(), isChanging ? 'installed' : known, options),
    stop: async () => {
      clearInterval(watch);
      await child.stop();
    },
  };
}

function clamdHealth(child: PartHealth, known: Known, options: ClamdOptions): PartHealth {
  if (known === 'unknown') {
    const says = 'the virus signatures have changed, and it could not be started again with them';
    return { ...child, level: 'down', says, next: 'see the log: is the disk full? It is tried again by itself' };
  }
  if (child.level === 'ok' && known === 'none') {
    // Up, and of no use: its scanner says so in red, with what to do.
    return { ...child, says: `${child.says}, without virus signatures in ${options.signatures}` };
  }
  return child;
}

/** Signature bases of ClamAV in the folder, or in one that cannot be read: none. */
export async function hasSignatures(folder: string): Promise<boolean> {
  const names = (await readdir(folder).catch(() => [])).filter(name => SIGNATURE_FILE.test(name));
  for (const name of names) {
    const file = await stat(join(folder, name)).catch(() => null);
    if (file !== null && file.size >= SIGNATURES_MIN_BYTES) return true;
  }
  return false;
}

/**
 * The EICAR test file as an extended signature in hexadecimal, at the start of a file. It is put together here, so
 * that no virus scanner finds it in this file.
 */
function testSignature(): string {
  const halves = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-', 'ANTIVIRUS-TEST-FILE!$H+H*'];
  return `Eicar-Test-Signature:0:0:${Buffer.from(halves.join('')).toString('hex')}`;
}

interface ClamdPlaces {
  readonly socket: string;
  readonly folder: string;
  readonly database: string;
}

/** No User line: it runs as who we are, and a change of user needs root. */
function clamdConfig(options: ClamdOptions, { socket, folder, database }: ClamdPlaces): string {
  const stream = options.maxMessageBytes + STREAM_SLACK_BYTES;
  const threads = Math.max(2, options.concurrency + 1);
  const lines = {
    Foreground: 'yes',
    LocalSocket: socket,
    LocalSocketMode: '600',
    FixStaleSocket: 'yes',
    DatabaseDirectory: database,
    TemporaryDirectory: join(folder, 'tmp'),
    LogTime: 'yes',
    LogClean: 'no',
    // One more than we use, so that a PING is heard while all of ours are busy.
    MaxThreads: threads,
    MaxQueue: threads * 4,
    MaxConnectionQueueLength: threads * 4,
    IdleTimeout: 30,
    ReadTimeout: 60,
    CommandReadTimeout: 30,
    SelfCheck: 300,
    ExitOnOOM: 'yes',
    StreamMaxLength: stream,
    MaxFileSize: stream,
    MaxScanSize: stream * SCAN_TIMES_MESSAGE,
    MaxScanTime: SCAN_TIME_MS,
    MaxRecursion: 17,
    MaxFiles: 10_000,
    ScanMail: 'yes',
    ScanArchive: 'yes',
    // What could not be read is said, never passed as clean (I8).
    AlertExceedsMax: 'yes',
    AlertEncrypted: 'yes',
    AlertEncryptedArchive: 'yes',
    AlertEncryptedDoc: 'yes',
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

/**
 * AppArmor's profile of Debian and Ubuntu binds /usr/sbin/clamd to its own configuration and socket. Where it is in
 * force a copy in our folder runs: the profile goes by path, and the copy may do no more than we may.
 */
async function runnable({ program, log }: ClamdOptions, folder: string): Promise<string> {
  if (!(await isConfined(program))) return program;
  const copy = join(folder, 'clamd-program');
  const [original, old] = [await stat(program), await stat(copy).catch(() => null)];
  if (old === null || old.size !== original.size || old.mtimeMs < original.mtimeMs) await copyFile(program, copy);
  log.info({ child: 'clamd', program, copy }, 'AppArmor binds clamd to its own paths: a copy is run');
  return copy;
}

async function isConfined(program: string): Promise<boolean> {
  const enabled = await readFile('/sys/module/apparmor/parameters/enabled', 'utf8').catch(() => 'N');
  if (!enabled.startsWith('Y')) return false;
  const profiles = await readFile('/sys/kernel/security/apparmor/profiles', 'utf8').catch(() => null);
  if (profiles !== null)
    return new RegExp(`^${program.replaceAll(/[^\w/-]/g, '\\$&')} \\(enforce\\)`, 'm').test(profiles);
  // Only root may read the list: the profile's file tells as much, unless it is switched off.
  const file = program.slice(1).replaceAll('/', '.');
  const isThere = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  return (await isThere(`/etc/apparmor.d/${file}`)) && !(await isThere(`/etc/apparmor.d/disable/${file}`));
}
