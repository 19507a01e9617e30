// postern serve: runs the gateway until it is told to stop. On the first run of the demo it sends sample messages
// through itself and says what became of each.

import { constants, createWriteStream, existsSync, writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import type { Settings } from '../config/settings.ts';
import type { Postern } from '../main.ts';
import { failpointFolder } from '../platform/failpoint.ts';
import { createLog, errorText, type Log } from '../platform/log.ts';
import { makeFolder } from '../platform/safe-file.ts';
import { bold, dim } from './colour.ts';
import { NoError } from './exit.ts';
import { readableLine } from './log-lines.ts';
import { type Page, withPage } from './manual.ts';
import { settingsPlace, type WithConfig, withConfig } from './options.ts';
import { print } from './terminal.ts';

const PAGE: Page = {
  describes: `
Runs the gateway in the foreground until it is told to stop, and starts its redis-servers and its clamd where the
settings do not name others. SIGTERM and SIGINT stop it in order: no new connections, transactions under way end, then
the parts. SIGHUP reads settings and rules again, as "postern reload" does.

The log goes to standard error, one JSON object a line; on a terminal it is lines to read. Without settings it is the demo:
mail for demo.example goes into data/mailbox, the log into data/postern.log, and the first start sends samples through it.
Settings that are named and have neither domains nor outgoing are an error.

To listen on port 25 it must be root, have the capability CAP_NET_BIND_SERVICE, or the machine must allow it: sysctl
net.ipv4.ip_unprivileged_port_start=25`,
  examples: [
    { run: 'postern serve', does: 'with ./postern.yaml, or the demo where there is none' },
    { run: 'postern serve --config /etc/postern/postern.yaml', does: 'with settings from elsewhere' },
  ],
  exits: {
    0: 'it was told to stop and has stopped',
    1: 'it could not start',
    2: 'the settings or the rules are wrong',
  },
  files: { 'DATA/': 'all that it keeps: spool/, quarantine/, postern.db and more; DATA is the setting data' },
};

export function serveCommand(): Command {
  const command = new Command('serve').description('run the gateway').action(serve);
  return withPage(withConfig(command), PAGE);
}

async function serve(options: WithConfig): Promise<void> {
  nameProcess();
  const { loadSettings } = await import('../config/load.ts');
  const read = () => loadSettings({ ...settingsPlace(options), mustTakeMail: true });
  const { settings, file } = read();
  await makeData(settings.data);
  const log = settings.isDemo ? demoLog(settings) : usualLog(settings);
  if (failpointFolder() !== '') {
    log.warn(
      { folder: failpointFolder() },
      'POSTERN_FAILPOINTS is set: made to fail on purpose, no place for real mail',
    );
  }
  // Loaded only here: the other commands start fast without it.
  const { Postern } = await import('../main.ts');
  const postern = new Postern({ settings, readSettings: () => read().settings, log });
  const stopped = untilTold(postern, log);
  if (settings.isDemo) print(dim(`starting (log: ${shown(join(settings.data, LOG_FILE))}) …`));
  if (!(await postern.start())) return stopped;
  print(addresses(postern, settings, file));
  if (settings.isDemo) await demo(postern, settings);
  await stopped;
}

/** For ps and top, to which Node is "MainThread". Not by process.title, which would hide the command line. */
function nameProcess(): void {
  try {
    writeFileSync('/proc/self/comm', 'postern');
  } catch {
    // Not Linux, or no /proc: it goes by Node's name.
  }
}

/** What is wrong with the folder is known before anything is started. */
async function makeData(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NoError(`cannot write to ${folder} (setting data): ${code}: let this user write there, or name another`);
  }
}

/** After the end of everything: for what is still on its way to the terminal. */
const GONE_WITHIN_MS = 1000;
const LOG_FILE = 'postern.log';
const FIRST_RUN_FILE = 'samples-sent';

/** A newcomer's terminal is for the table; the log goes beside it. */
function demoLog({ data, log }: Settings): Log {
  const file = createWriteStream(join(data, LOG_FILE), { flags: 'a', mode: 0o600 });
  return createLog(log.level, line => file.write(line));
}

/** JSON for whoever collects it; lines to read for somebody who looks on. */
function usualLog({ log }: Settings): Log {
  if (process.stderr.isTTY !== true) return createLog(log.level);
  return createLog(log.level, line => process.stderr.write(readableLine(line)));
}

/** Resolves when the gateway was told to stop and has stopped. */
function untilTold(postern: Postern, log: Log): Promise<void> {
  return new Promise(resolve => {
    let isStopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (isStopping) return;
      isStopping = true;
      log.info({ signal }, 'stopping');
      // Transactions under way may take a while: whoever pressed Ctrl-C sees that it was heard.
      if (process.stdout.isTTY === true) print(dim('stopping …'));
      void postern.stop().then(() => {
        log.info({}, 'stopped');
        resolve();
        // All is closed. A timer of a library that had just lost its Redis must not keep the process for ever.
        setTimeout(() => process.exit(), GONE_WITHIN_MS).unref();
      });
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on('SIGHUP', () => {
      postern.reload().catch(error => log.error({ error: errorText(error) }, 'not reloaded, the old version stays'));
    });
  });
}

function addresses(postern: Postern, settings: Settings, file: string | null): string {
  const places = postern.places.map(({ name, host, port }) => `  ${`SMTP ${name}`.padEnd(15)}  ${host}:${port}`);
  const { http } = settings;
  const pages = http === 'off' ? [] : [`  health, metrics  http://${http.host}:${http.port}/health`];
  const which = settings.isDemo
    ? `${file === null ? '' : `${shown(file)} names no domain: `}the built-in demo settings`
    : '';
  const from = which === '' && file !== null ? shown(file) : which;
  return [
    bold(`Postern is running (${from}):`),
    ...places,
    ...pages,
    `  data             ${shown(settings.data)}`,
  ].join('\n');
}

async function demo(postern: Postern, settings: Settings): Promise<void> {
  const marker = join(settings.data, FIRST_RUN_FILE);
  if (!existsSync(marker)) {
    print('');
    const { runSamples } = await import('./first-run.ts');
    print(await runSamples(postern, settings));
    writeFileSync(marker, `${new Date().toISOString()}\n`, { mode: 0o600 });
  }
  print('');
  print(NEXT);
}

const NEXT = `Write a postern.yaml to stand in front of your own server, then start again (README.md says more):

  hostname: mx.example.org
  listeners:
    - { name: public, address: "0.0.0.0:25" }
  domains:
    example.org:
      nextHop: smtp://10.0.0.5:25

Stop with Ctrl-C.`;

function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
