// postern doctor: is everything as it should be, and where it is not, what to do next. Asks the parts themselves; the
// running gateway, if there is one, adds what only it knows.

import { Command } from 'commander';
import type { Status } from '../assembly/control.ts';
import type { Settings } from '../config/settings.ts';
import type { Health } from '../mail/ports.ts';
import { GatewayNotRunning } from '../platform/control-client.ts';
import { green, red, yellow } from './colour.ts';
import { NoError } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { ask, settingsPlace, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { startProgress } from './progress.ts';
import { type Column, table } from './table.ts';
import { print, printJson } from './terminal.ts';

const PAGE: Page = {
  describes: `
Asks every part how it is and says what to do where it is not well: settings and rules, next hops, the virus scanner and
the age of its signatures, Redis, disk, DNS, and the MX records of the domains. The running gateway, if there is one,
adds what only it knows.

Works without a gateway too, for instance before the first start: it says then whether everything is there for it, down to
the ports, the rights in the data folder and the virus signatures. A gateway that does not run is down.`,
  examples: [
    { run: 'postern doctor', does: 'is everything as it should be' },
    { run: 'postern doctor --json', does: 'the same for a monitoring' },
  ],
  exits: { 0: 'nothing is down, though something may be to do', 1: 'something is down' },
};

export function doctorCommand(): Command {
  const command = new Command('doctor').description('look at every part, and say what to do next').action(doctor);
  return withPage(withJson(withConfig(command)), PAGE);
}

async function doctor(options: WithConfig & WithJson): Promise<void> {
  const { loadSettings } = await import('../config/load.ts');
  const { settings } = loadSettings({ ...settingsPlace(options), mustTakeMail: true });
  const progress = startProgress(() => 'asking every part …');
  const parts = await examined(settings).finally(progress.stop);
  if (options.json === true) printJson({ parts });
  else print(page(parts));
  if (parts.some(part => part.level === 'down')) throw new NoError('something is down: see "Next" above');
}

async function examined(settings: Settings): Promise<readonly Health[]> {
  const { examine } = await import('../assembly/examine.ts');
  const status = await running(settings);
  return [gateway(status, settings), ...(await examine(settings, status)), ...onlyInside(status)];
}

async function running(settings: Settings): Promise<Status | null> {
  try {
    // A gateway of an older version, before its restart, says nothing of what waits.
    const status = (await ask(settings, 'GET', '/status')) as Omit<Status, 'waiting'>;
    const health = { ...status.health, switchedOff: status.health.switchedOff ?? [] };
    return { waiting: { live: [], restart: [] }, ...status, health };
  } catch (error) {
    if (error instanceof GatewayNotRunning) return null;
    throw error;
  }
}

function gateway(status: Status | null, { data, isDemo }: Settings): Health {
  const part = 'gateway';
  if (status === null) {
    const elsewhere = isDemo ? ', or --config FILE where it runs with settings of its own' : '';
    return {
      part,
      level: 'down',
      says: `not running on ${data}: no mail is taken`,
      next: `postern serve${elsewhere}`,
    };
  }
  const { version, pid, listeners, health } = status;
  const places = listeners.map(({ name, host, port }) => `${name} ${host}:${port}`).join(', ');
  const says = `runs: version ${version}, process ${pid}, ${places}`;
  const gaps = health.doesNotProtect.join(', ');
  if (gaps === '') return { part, level: 'ok', says, next: '' };
  // What is behind a gap has a row of its own below; the gateway itself is up. What the settings switch off is no fault.
  const isChosen = health.doesNotProtect.every(gap => health.switchedOff.includes(gap));
  const level = isChosen ? 'ok' : 'degraded';
  return { part, level, says: `${says}; does not protect from: ${gaps}`, next: '' };
}

/** Parts of the gateway that `examine` has asked itself, from outside. */
const ASKED: ReadonlySet<string> = new Set(['clamav', 'clamd', 'redis-queue', 'redis-memory', 'next hop', 'dns']);

/** What only the running gateway knows, where it is not well. */
function onlyInside(status: Status | null): readonly Health[] {
  const sick = (status?.health.parts ?? []).filter(({ part, level }) => level !== 'ok' && !ASKED.has(part));
  // `examine` has read the files of now, which is another row.
  return sick.map(health => (health.part === 'settings and rules' ? { ...health, part: 'last reload' } : health));
}

const LEVEL_COLOURS: Readonly<Record<string, (text: string) => string>> = { ok: green, degraded: yellow, down: red };
const COLUMNS: readonly Column[] = [
  { title: 'PART', narrow: 'wrap' },
  { title: 'STATE', colour: level => LEVEL_COLOURS[level] ?? red },
  { title: 'WHAT IT SAYS', narrow: 'wrap' },
];

function page(parts: readonly Health[]): string {
  const rows = parts.map(({ part, level, says, next }) => [part, level, withNext(says, next)]);
  return [table(COLUMNS, rows), ...conclusion(parts)].join('\n');
}

/** Not the same words twice where a part names the remedy in what it says. */
function withNext(says: string, next: string): string {
  if (next === '') return says;
  const known = says.endsWith(`: ${next}`) ? says.slice(0, -next.length - 2) : says;
  return `${known}. Next: ${next}`;
}

/** What is down is said on stderr, at the end. */
function conclusion(parts: readonly Health[]): string[] {
  if (parts.some(part => part.level === 'down')) return [];
  if (parts.some(part => part.level === 'degraded')) return [yellow('Something is to be done: see "Next" above.')];
  return [green('All is as it should be.')];
}
