// Postern as it is really run: bin/postern serve, in a temporary folder, with the settings below.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { childrenOf } from '../test/support/children.ts';
import { freePort } from '../test/support/postern.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { cpuMs, peakRssBytes, rssBytes, threadsCpuMs } from './processes.ts';
import type { Subject } from './subject.ts';
import type { World } from './world.ts';

const HERE = resolve(import.meta.dirname, '..');
const RSS_EVERY_MS = 250;
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 40_000;

export interface PosternSubject extends Subject {
  readonly pid: number;
  peakRss(): number;
}

/** Everything that is not as shipped: it is printed. */
function settings(world: World): string[] {
  return [
    `domains: {rcpt.example: {nextHop: "smtp://127.0.0.1:${world.sinkPort}"}}`,
    `scanners: {clamav: {address: "${world.clamd.socketPath}"}, dnsLists: {enabled: false}}`,
    `dns: {servers: ["${world.resolver.server}"]}`,
    // Nobody is fast by refusing or holding.
    'policies: {default: {thresholds: {tag: 5, quarantine: never, reject: never}, unscannable: tag}}',
    // The peer greets at once too.
    'timeouts: {greeting: 0ms}',
    'http: off',
    'log: {level: info}',
  ];
}

export interface PosternOptions {
  /** A checkout other than this one. */
  readonly root?: string | undefined;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startPostern(world: World, options: PosternOptions = {}): Promise<PosternSubject> {
  const folder = join(world.folder, 'postern');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const lines = settings(world);
  const file = join(folder, 'postern.yaml');
  const head = `hostname: mx.bench.example\nlisteners: [{name: public, address: "127.0.0.1:${port}"}]\n`;
  await writeFile(file, `${head}${lines.join('\n')}\n`);
  const launcher = join(options.root ?? HERE, 'bin/postern');
  const env = { ...process.env, ...options.environment };
  const child = spawn(launcher, ['serve', '--config', file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env });
  let said = '';
  let isReady = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    // A log is written, as it would be; of its lines only those until it is ready are kept.
    if (isReady) return;
    said += text;
    isReady = said.includes('"ready"');
  });
  const ended = once(child, 'close');
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
    for (const pid of childrenOf(join(folder, 'data')).values()) process.kill(pid, 'SIGKILL');
  };
  world.atEnd(stop);
  try {
    const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
    await waitFor('Postern to be ready', () => isReady || hasEnded(), START_WITHIN_MS);
    if (!isReady) throw new Error(`Postern ended:\n${said}`);
  } catch (error) {
    await stop();
    throw error;
  }
  const pid = child.pid ?? 0;
  const children = childrenOf(join(folder, 'data'));
  const cpu = () => ({
    postern: cpuMs(pid),
    ...Object.fromEntries([...children].map(([name, each]) => [name, cpuMs(each)])),
  });
  return {
    name: 'Postern',
    kind: 'inline: the reply is the next hop’s own',
    port,
    pid,
    settings: lines,
    cpu,
    threads: () => threadsCpuMs(pid),
    rss: () => rssBytes(pid),
    rssEveryMs: RSS_EVERY_MS,
    relays: true,
    share: 1,
    peakRss: () => peakRssBytes(pid),
    stop,
  };
}
