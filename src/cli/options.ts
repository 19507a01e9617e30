// Options that many commands share, and what they mean: which settings, which gateway, which records.

import { access } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Loaded, LoadOptions } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Reader } from '../store/store.ts';
import { withoutColour } from './colour.ts';
import { given, NoError, UsageError } from './exit.ts';

export interface WithConfig {
  readonly config?: string;
}

export interface WithJson {
  readonly json?: boolean;
}

export function withConfig(command: Command): Command {
  return command.option(
    '-c, --config <file>',
    'settings file; default $POSTERN_CONFIG, else ./postern.yaml, /etc/postern/postern.yaml, or the built-in demo',
  );
}

export function withJson(command: Command): Command {
  return command.option('--json', 'print JSON, one value a line, for programs');
}

/** What every command knows. */
export function withColourChoice(command: Command): Command {
  return command
    .option('--no-color', 'no colours; the same as NO_COLOR=1. FORCE_COLOR=1 asks for them in a pipe')
    .on('option:no-color', withoutColour)
    .helpOption('-h, --help', 'print this page');
}

/** Throws BadFile. */
export async function settingsOf(options: WithConfig): Promise<Loaded> {
  const { loadSettings } = await import('../config/load.ts');
  return loadSettings(settingsPlace(options));
}

/**
 * For commands that work on files: those of a service that are not this user's to read are no obstacle, and standard
 * error says that others hold. Throws BadFile.
 */
export async function settingsOrBuiltIn(options: WithConfig): Promise<Loaded> {
  const { loadSettings } = await import('../config/load.ts');
  const loaded = loadSettings({ ...settingsPlace(options), mayGoWithout: true });
  if (loaded.passedOver !== undefined) {
    process.stderr.write(
      `postern: ${loaded.passedOver} is not yours to read: the built-in settings hold, and rules/local of this folder\n`,
    );
  }
  return loaded;
}

/** Where the settings of a command are. */
export function settingsPlace({ config }: WithConfig): LoadOptions {
  const cwd = process.cwd();
  if (config !== undefined) {
    return { cwd, file: resolve(config), ...(isAbsolute(config) ? { missingHint: '--config names it' } : {}) };
  }
  // An empty one is as good as none: `POSTERN_CONFIG= postern check …`.
  const variable = process.env['POSTERN_CONFIG'] || undefined;
  if (variable === undefined) return { cwd };
  const from = isAbsolute(variable) ? '' : `, from ${cwd}`;
  const missingHint = `the environment variable POSTERN_CONFIG names it${from}; --config FILE goes before it`;
  return { cwd, file: resolve(variable), missingHint };
}

/** The usual reason is another folder, where the built-in settings hold. */
const WHICH_SETTINGS =
  '\n  these are the settings of the demo: if the gateway has others, name them with --config FILE or in POSTERN_CONFIG';

/** Asks the running gateway; throws NoError with its words where it says no. */
export async function ask(
  settings: Settings,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const { CONTROL_SOCKET } = await import('../assembly/control.ts');
  const { controlRequest, GatewayNotRunning } = await import('../platform/control-client.ts');
  const { socketPath } = await import('../platform/unix-socket.ts');
  const socket = await socketPath(settings.data, CONTROL_SOCKET);
  const call = { method, path, ...(body === undefined ? {} : { body }) };
  const answer = await controlRequest(socket, call).catch(error => {
    if (error instanceof GatewayNotRunning && settings.isDemo)
      throw new GatewayNotRunning(`${error.message}${WHICH_SETTINGS}`);
    // Said whole by the client: what the system said would only repeat the path.
    if (codeOf((error as Error).cause) === 'EACCES') throw new NoError((error as Error).message);
    throw error;
  });
  if (answer.status < 400) return answer.body;
  throw new Refused(answer.body);
}

/** What the gateway answered instead of doing it. */
export class Refused extends NoError {
  readonly body: unknown;

  constructor(body: unknown) {
    const { error, words } = (typeof body === 'object' && body !== null ? body : {}) as {
      error?: unknown;
      words?: unknown;
    };
    super(String(error ?? words ?? 'the gateway refused, see its log'));
    this.body = body;
  }
}

/** Opens the database for reading, also beside the running gateway, and closes it after the work. */
export async function withRecords<T>({ data, isDemo }: Settings, work: (reader: Reader) => Promise<T>): Promise<T> {
  const { databasePath } = await import('../assembly/places.ts');
  const { openReadOnly } = await import('../store/store.ts');
  const path = databasePath(data);
  const code = await access(path).then(() => '', codeOf);
  if (code === 'EACCES') throw new NoError(`not allowed to read ${path}: run this as the user the gateway runs as`);
  if (code !== '') {
    const where = isDemo ? WHICH_SETTINGS : '. Has the gateway run with these settings?';
    throw new NoError(`there are no records yet: ${path} does not exist${where}`);
  }
  const reader = await openReadOnly({ path });
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? error.message) : '';
}

/** A whole number in a range; throws UsageError that names the option. */
export function wholeNumber(text: string, option: string, range: { min: number; max: number }): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw new UsageError(`${option} ${given(text)}: expected a whole number from ${range.min} to ${range.max}`);
}
