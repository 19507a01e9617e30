// A real Postfix of our own for tests, from the package unpacked under .local/debian (scripts/setup.sh test), or an
// installed one. Nothing of the machine's own Postfix is read or written. Needs root, as Postfix does; no user is made:
// `daemon` owns its queue and `nobody` runs what it delivers with, both there on every Debian.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { freePorts, listening } from './dovecot.ts';
import { passOver } from './require.ts';

export interface PostfixOptions {
  /** Where mail for `domains` goes: `lmtp:inet:127.0.0.1:PORT`, `smtp:[127.0.0.1]:PORT`, `discard:`. */
  readonly transport: string;
  /** Domains it is the final server of; mail for others is refused. `x.example` where absent. */
  readonly domains?: readonly string[];
  /** Addresses that exist in them; all do where absent. */
  readonly mailboxes?: readonly string[];
  /** Further lines of main.cf: `message_size_limit=1000`, `smtp_host_lookup=native`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Turns STARTTLS on. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Where mail for all other domains goes (relaying allowed for 127.0.0.0/8): `[127.0.0.1]:PORT`. */
  readonly relayhost?: string;
  /** smtpd processes at once; 60 where absent. */
  readonly processes?: number;
}

export interface Postfix {
  readonly port: number;
  /** Of `master`, while it runs. */
  pid(): number;
  log(): Promise<string>;
  /** SIGSTOP to all its processes: it is there and does not answer. */
  freeze(): void;
  thaw(): void;
  /** Kills all its processes; port, queue and log stay for `resume`. */
  halt(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it and removes everything. */
  stop(): Promise<void>;
}

const UNPACKED = join(import.meta.dirname, '../../.local/debian');
/** uid and gid of `daemon` on every Debian (base-passwd). */
const DAEMON = 1;

/** True when there is a Postfix and we may start it; else the test is skipped, or fails where all is required. */
export async function needsPostfix(t: TestContext): Promise<boolean> {
  if (process.getuid?.() !== 0) return passOver(t, 'not root, which Postfix needs');
  return (await findRoot()) === null ? passOver(t, 'not installed: postfix (sh scripts/setup.sh test)') : true;
}

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const root = await findRoot();
  if (root === null) throw new Error('no Postfix found: run sh scripts/setup.sh test');
  const folder = await mkdtemp(join(tmpdir(), 'postern-postfix-'));
  const [port = 0] = await freePorts(1);
  await makeFolders(folder, root);
  const { key, cert } = options.tls ?? {};
  if (key !== undefined && cert !== undefined)
    await writeFile(join(folder, 'etc/tls.pem'), key + cert, { mode: 0o600 });
  await writeFile(join(folder, 'etc/main.cf'), mainCf(folder, root, options));
  await writeFile(join(folder, 'etc/master.cf'), masterCf(port, options.processes ?? 60));
  await writeFile(
    join(folder, 'etc/mailboxes'),
    (options.mailboxes ?? []).map(box => `/^${escaped(box)}$/ 1\n`).join(''),
  );
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...(await libraryPath(root)) };
  const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  let master: ChildProcess | null = null;
  // A negative id is the process group: master and all that it has started.
  const signal = (name: NodeJS.Signals) => {
    if (master?.pid !== undefined && master.exitCode === null) process.kill(-master.pid, name);
  };
  const halt = async () => {
    if (master === null || master.exitCode !== null || master.signalCode !== null) return;
    const exit = once(master, 'exit');
    signal('SIGKILL');
    await exit;
  };
  const resume = async () => {
    const args = ['-d', '-c', join(folder, 'etc')];
    const options = { stdio: 'ignore', cwd: folder, env, detached: true } as const;
    master = spawn(join(root, 'usr/lib/postfix/sbin/master'), args, options);
    await listening(port, master);
  };
  const stop = async () => {
    await halt();
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  try {
    await resume();
  } catch (error) {
    const said = await log();
    await stop();
    throw new Error(`postfix did not start: ${said}`, { cause: error });
  }
  return {
    port,
    pid: () => master?.pid ?? 0,
    log,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    halt,
    resume,
    stop,
  };
}

/** `/` where it is installed. */
async function findRoot(): Promise<string | null> {
  for (const root of [UNPACKED, '/']) {
    const isThere = await access(join(root, 'usr/lib/postfix/sbin/master')).then(
      () => true,
      () => false,
    );
    if (isThere) return root;
  }
  return null;
}

/** The unpacked programs look for their libraries where the package would be; `library-path` lists where they are. */
async function libraryPath(root: string): Promise<Record<string, string>> {
  if (root === '/') return {};
  const listed = await readFile(join(root, 'library-path'), 'utf8').catch(() => 'usr/lib/postfix');
  return {
    LD_LIBRARY_PATH: listed
      .trim()
      .split('\n')
      .map(each => join(root, each))
      .join(':'),
  };
}

/** What `postfix check` would make, in the owners it would give. */
async function makeFolders(folder: string, root: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const name of ['etc', 'queue', 'queue/pid']) await mkdir(join(folder, name));
  const owned = [
    'active',
    'bounce',
    'corrupt',
    'defer',
    'deferred',
    'flush',
    'hold',
    'incoming',
    'private',
    'saved',
    'trace',
  ];
  for (const name of [...owned.map(each => `queue/${each}`), 'queue/public', 'queue/maildrop', 'data']) {
    await mkdir(join(folder, name), { mode: 0o700 });
    await chown(join(folder, name), DAEMON, name === 'queue/public' || name === 'queue/maildrop' ? 8 : DAEMON);
  }
  await chmod(join(folder, 'queue/public'), 0o710);
  await chmod(join(folder, 'queue/maildrop'), 0o730);
  // Loadable map types are looked for here; ours are all built in.
  await symlink(join(root, 'usr/lib/postfix'), join(folder, 'lib'));
}

function mainCf(folder: string, root: string, options: PostfixOptions): string {
  const { transport, domains = ['x.example'], mailboxes, settings = {}, tls, relayhost } = options;
  const lines: Record<string, string> = {
    compatibility_level: '3.6',
    queue_directory: `${folder}/queue`,
    data_directory: `${folder}/data`,
    daemon_directory: join(root, 'usr/lib/postfix/sbin'),
    command_directory: join(root, 'usr/sbin'),
    shlib_directory: `${folder}/lib`,
    maillog_file: `${folder}/log`,
    maillog_file_prefixes: folder,
    mail_owner: 'daemon',
    setgid_group: 'mail',
    default_privs: 'nobody',
    import_environment: 'LD_LIBRARY_PATH MAIL_CONFIG MAIL_LOGTAG TZ',
    export_environment: 'LD_LIBRARY_PATH TZ',
    myhostname: 'postfix.example',
    mydestination: '',
    local_recipient_maps: '',
    alias_maps: '',
    alias_database: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    smtpd_relay_restrictions: `${relayhost === undefined ? '' : 'permit_mynetworks, '}reject_unauth_destination`,
    relayhost: relayhost ?? '',
    virtual_mailbox_domains: domains.join(' '),
    virtual_transport: transport,
    virtual_mailbox_maps: mailboxes === undefined ? 'static:all' : `regexp:${folder}/etc/mailboxes`,
    smtpd_delay_reject: 'no',
    // No header of its own but Received: tests compare bytes.
    local_header_rewrite_clients: '',
    always_add_missing_headers: 'no',
    // Test mail comes fast from one client, and the next server may be a Postern that was just stopped.
    smtpd_client_connection_count_limit: '0',
    smtpd_client_connection_rate_limit: '0',
    minimal_backoff_time: '1s',
    maximal_backoff_time: '2s',
    queue_run_delay: '1s',
    message_size_limit: '104857600',
    mailbox_size_limit: '0',
    virtual_mailbox_limit: '0',
    disable_dns_lookups: 'yes',
    smtp_dns_support_level: 'disabled',
    lmtp_tls_security_level: 'none',
    smtpd_tls_security_level: tls === undefined ? 'none' : 'may',
    ...(tls === undefined ? {} : { smtpd_tls_chain_files: `${folder}/etc/tls.pem` }),
    ...settings,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

function masterCf(port: number, processes: number): string {
  return `
127.0.0.1:${port} inet n - n - ${processes} smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
