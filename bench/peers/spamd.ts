// SpamAssassin's spamd: scanning only, without SMTP, clamd or relaying. A row of its own, not a comparison of gateways.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';

import { freePort } from '../../test/support/postern.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { treeCpuMs, treeRssBytes } from '../processes.ts';
import type { Subject } from '../subject.ts';
import { versionOf, type World } from '../world.ts';
import { peersEnvironment, unpacked } from './unpacked.ts';

const READY_WITHIN_MS = 60_000;
/** It takes a hundred milliseconds a message and more. */
const SHARE = 0.1;
const RSS_EVERY_MS = 3000;
const PERL = ['usr/share/perl5', 'usr/lib/x86_64-linux-gnu/perl5/5.36'];

export async function startSpamd(world: World): Promise<Subject> {
  const folder = join(world.folder, 'spamd');
  await mkdir(folder, { recursive: true });
  // Which plugins are loaded, as shipped.
  const shipped = unpacked('etc/spamassassin');
  const pre = (await readdir(shipped)).filter(name => name.endsWith('.pre'));
  for (const name of pre) await copyFile(join(shipped, name), join(folder, name));
  const port = await freePort();
  const lines = [
    `dns_server ${world.resolver.server.replace(/^(.*):(\d+)$/, '[$1]:$2')}`,
    'dns_available yes',
    'skip_rbl_checks 1',
    'skip_uribl_checks 1',
    'use_bayes 0',
  ];
  await writeFile(join(folder, 'local.cf'), `${lines.join('\n')}\n`);
  const children = String(cpus().length * 2);
  const args = [
    ...['-i', '127.0.0.1', '-p', String(port), '-A', '127.0.0.0/8', '-x', '--pidfile', join(folder, 'pid')],
    ...['-C', unpacked('usr/share/spamassassin'), '--siteconfigpath', folder, '-m', children],
    ...['--min-children', children, '--min-spare', children, '--max-spare', children, '-s', join(folder, 'log')],
  ];
  // In taint mode Perl takes folders of modules from its arguments only.
  const perl = ['-T', ...PERL.map(each => `-I${unpacked(each)}`), unpacked('usr/sbin/spamd')];
  const env = { ...peersEnvironment(), HOME: folder };
  const child = spawn('perl', [...perl, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  const log = () => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const isReady = async () => {
    const text = await log();
    if (child.exitCode !== null) throw new Error(`spamd ended: ${text.slice(-2000)}${said}`);
    return (text.match(/spawned child process/g) ?? []).length >= Number(children);
  };
  world.atEnd(stop);
  try {
    await waitFor('spamd to have its children', isReady, READY_WITHIN_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = child.pid ?? 0;
  return {
    name: 'spamd (scanning only)',
    kind: 'spamc protocol, CHECK: no SMTP, no clamd, no relaying',
    port,
    settings: [...lines.map(line => `spamd: ${line}`), `spamd: -m ${children}, all of them from the start`],
    cpu: () => ({ spamd: treeCpuMs(pid) }),
    rss: () => treeRssBytes(pid),
    rssEveryMs: RSS_EVERY_MS,
    relays: false,
    share: SHARE,
    stop,
  };
}

export function spamdVersions(): Record<string, string> {
  const folders = PERL.map(each => `-I${unpacked(each)}`);
  return { spamassassin: versionOf('perl', '-T', ...folders, unpacked('usr/sbin/spamd'), '--version') };
}
