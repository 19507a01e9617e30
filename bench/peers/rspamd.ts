// The peer: Debian's Postfix with Debian's rspamd as milter, which asks the same clamd and the same resolver. Scanned
// before the queue, relayed from the queue to the same sink. Where a setting differs from shipped it is to its favour.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../test/support/postern.ts';
import { type Postfix, startPostfix } from '../../test/support/postfix.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { treeCpuMs, treeRssBytes } from '../processes.ts';
import type { Subject } from '../subject.ts';
import { versionOf, type World } from '../world.ts';
import { peersEnvironment, unpacked } from './unpacked.ts';

/** It compiles its expressions at the first start. */
const READY_WITHIN_MS = 120_000;
const RSS_EVERY_MS = 3000;

const POSTFIX = {
  milter_default_action: 'tempfail',
  milter_protocol: '6',
  default_process_limit: '200',
  smtp_destination_concurrency_limit: '100',
  initial_destination_concurrency: '20',
  in_flow_delay: '0',
  // The name of the client would be asked of the machine's resolver, not of the bench's: the peer is spared it.
  smtpd_peername_lookup: 'no',
};

export async function startRspamd(world: World): Promise<Subject> {
  const folder = join(world.folder, 'rspamd');
  const port = await freePort();
  const files = localFiles(world, port);
  await writeAll(folder, files);
  const rspamd = startDaemon(folder);
  let postfix: Postfix | null = null;
  const stop = async () => {
    await postfix?.stop();
    if (rspamd.exitCode === null && rspamd.signalCode === null) {
      const ended = once(rspamd, 'exit');
      // Its workers end with it; they are of its process group.
      process.kill(-(rspamd.pid ?? 0), 'SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  world.atEnd(stop);
  try {
    await ready(rspamd, folder);
    postfix = await startPostfix({
      transport: `smtp:[127.0.0.1]:${world.sinkPort}`,
      domains: ['rcpt.example'],
      processes: 200,
      settings: { ...POSTFIX, smtpd_milters: `inet:127.0.0.1:${port}` },
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const [mta, scanner] = [postfix.pid(), rspamd.pid ?? 0];
  return {
    name: 'Postfix + rspamd',
    kind: 'queue: scanned by a milter, 250 once in the queue, then relayed',
    port: postfix.port,
    settings: [
      ...Object.entries(POSTFIX).map(([name, value]) => `postfix: ${name} = ${value}`),
      ...Object.entries(files).map(([name, text]) => `rspamd: ${name}: ${text.replace(/\s+/g, ' ').trim()}`),
    ],
    cpu: () => ({ postfix: treeCpuMs(mta), rspamd: treeCpuMs(scanner) }),
    rss: () => treeRssBytes(mta) + treeRssBytes(scanner),
    rssEveryMs: RSS_EVERY_MS,
    relays: true,
    share: 1,
    stop,
  };
}

export function rspamdVersions(): Record<string, string> {
  const env = peersEnvironment();
  const rspamd = versionOf('env', `LD_LIBRARY_PATH=${env['LD_LIBRARY_PATH']}`, unpacked('usr/bin/rspamd'), '--version');
  return { rspamd };
}

/** Below its `local.d`. What asks the Internet is off, as Postern's lists are; nobody of 127/8 is trusted. */
function localFiles(world: World, port: number): Record<string, string> {
  const off = 'enabled = false;\n';
  const everybody = 'check_local = true;\ncheck_authed = true;\n';
  return {
    'local.d/options.inc': `dns { nameserver = ["${world.resolver.server}"]; }\nlocal_addrs = [];\n`,
    // One process does it all (self_scan), one a core: it need not pass mail on to another worker.
    'local.d/worker-proxy.inc': `bind_socket = "127.0.0.1:${port}";
upstream "local" { self_scan = yes; default = yes; hosts = "localhost"; }
count = ${cpus().length};
`,
    'local.d/worker-normal.inc': off,
    'local.d/worker-controller.inc': off,
    'local.d/rbl.conf': off,
    'local.d/asn.conf': off,
    'local.d/fuzzy_check.conf': off,
    'local.d/spf.conf': everybody,
    'local.d/dkim.conf': everybody,
    'local.d/dmarc.conf': everybody,
    // Nobody is fast by refusing: the score is written into the headers.
    'local.d/actions.conf': 'reject = null;\ngreylist = null;\nadd_header = 5;\n',
    'local.d/milter_headers.conf':
      'use = ["x-spamd-result", "authentication-results", "x-virus"];\nskip_local = false;\n',
    'local.d/antivirus.conf': `clamav {
  type = "clamav"; symbol = "CLAM_VIRUS"; servers = "${world.clamd.socketPath}";
  scan_mime_parts = false; max_size = 67108864; log_clean = false;
}
`,
    'rspamd.conf.local': `lang_detection { languages = "${unpacked('usr/share/rspamd/languages')}"; }\n`,
  };
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const name of ['local.d', 'db', 'run', 'log']) await mkdir(join(folder, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
}

function startDaemon(folder: string): ChildProcess {
  const share = unpacked('usr/share/rspamd');
  const places: Readonly<Record<string, string>> = {
    CONFDIR: unpacked('etc/rspamd'),
    LOCAL_CONFDIR: folder,
    DBDIR: join(folder, 'db'),
    RUNDIR: join(folder, 'run'),
    LOGDIR: join(folder, 'log'),
    SHAREDIR: share,
    PLUGINSDIR: join(share, 'plugins'),
    RULESDIR: join(share, 'rules'),
    LUALIBDIR: join(share, 'lualib'),
    WWWDIR: join(share, 'www'),
  };
  const variables = Object.entries(places).flatMap(([name, path]) => ['--var', `${name}=${path}`]);
  const args = ['-i', '-f', '-c', unpacked('etc/rspamd/rspamd.conf'), ...variables];
  const env = { ...peersEnvironment(), ...places };
  return spawn(unpacked('usr/bin/rspamd'), args, { cwd: folder, env, stdio: 'ignore', detached: true });
}

/** Its workers have taken the compiled expressions: before that it is slower. */
async function ready(rspamd: ChildProcess, folder: string): Promise<void> {
  const log = () => readFile(join(folder, 'log/rspamd.log'), 'utf8').catch(() => '');
  const loaded = async () => {
    if (rspamd.exitCode !== null) throw new Error(`rspamd ended:\n${(await log()).slice(-2000)}`);
    return ((await log()).match(/rspamd_proxy.*hyperscan database.*loaded/g) ?? []).length >= cpus().length;
  };
  await waitFor('rspamd to load its expressions', loaded, READY_WITHIN_MS);
}
