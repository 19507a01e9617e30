// postern doctor: is everything as it should be, and where it is not, what to do next. Asks the parts themselves; the
// running gateway, if there is one, adds what only it knows.

import { Command } from 'commander';
import type { Status } from '../assembly/control.ts';
import type { Health } from '../mail/ports.ts';
import { GatewayNotRunning } from '../platform/control-client.ts';
import { NoError } from './exit.ts';
import { ask, settingsOf, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { green, print, printJson, red, table, yellow } from './terminal.ts';

const MORE = `
Looks at: settings and rules, next hops, the virus scanner and the age of its signatures, Redis, disk, DNS and the MX
records of the domains. Exit status 1 when something is down.`;

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('look at every part, and say what to do next')
    .addHelpText('after', MORE)
    .action(doctor);
  return withJson(withConfig(command));
}

async function doctor(options: WithConfig & WithJson): Promise<void> {
  const { settings } = await settingsOf(options);
  const { examine } = await import('../assembly/examine.ts');
  const status = await running(settings);
  const parts = [gateway(status), ...(await examine(settings, status !== null))];
  if (options.json === true) printJson({ parts });
  else print(page(parts));
  if (parts.some(part => part.level === 'down')) throw new NoError('something is down');
}

async function running(settings: Parameters<typeof ask>[0]): Promise<Status | null> {
  try {
    return (await ask(settings, 'GET', '/status')) as Status;
  } catch (error) {
    if (error instanceof GatewayNotRunning) return null;
    throw error;
  }
}

function gateway(status: Status | null): Health {
  const part = 'gateway';
  if (status === null) return { part, level: 'degraded', says: 'not running', next: 'postern serve' };
  const { version, pid, listeners, health } = status;
  const places = listeners.map(({ name, host, port }) => `${name} ${host}:${port}`).join(', ');
  const missing =
    health.doesNotProtect.length === 0 ? '' : `; does not protect from ${health.doesNotProtect.join(', ')}`;
  return { part, level: health.level, says: `version ${version}, process ${pid}, ${places}${missing}`, next: '' };
}

function page(parts: readonly Health[]): string {
  const columns = [{ title: 'PART' }, { title: 'STATE' }, { title: 'WHAT IT SAYS', wraps: true }];
  const rows = parts.map(({ part, level, says, next }) => [part, level, next === '' ? says : `${says}. Next: ${next}`]);
  return `${table(columns, rows)}\n${conclusion(parts)}`;
}

function conclusion(parts: readonly Health[]): string {
  if (parts.some(part => part.level === 'down')) return red('Something is down: see "Next" above.');
  if (parts.some(part => part.level === 'degraded'))
    return yellow('It runs, but something is to be done: see "Next" above.');
  return green('All is as it should be.');
}
