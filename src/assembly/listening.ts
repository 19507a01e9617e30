// Whether the addresses of the settings can be listened on, and what an administrator is told when one cannot. Called by
// main.ts before anything is started, and by doctor. Takes no connection: who comes in this moment finds nobody, and
// tries again.

import { connect, createServer } from 'node:net';
import { problemAt } from '../config/place.ts';
import type { Settings } from '../config/settings.ts';
import type { Health } from '../mail/ports.ts';
import { errorText } from '../platform/log.ts';
import { problemText } from '../platform/problem.ts';
import type { YamlPath } from '../platform/yaml.ts';

interface Place {
  readonly host: string;
  readonly port: number;
}

/** The setting that names a place. */
interface Named {
  /** null: the built-in settings. */
  readonly file: string | null;
  readonly path: YamlPath;
  /** In words: `listeners, public`. */
  readonly setting: string;
}

/** What the system said, and what to do. */
const TROUBLES: Readonly<Record<string, (place: Place) => readonly [string, string]>> = {
  EADDRINUSE: ({ port }) => [
    'another program uses this port',
    `stop it, or name another port; as root, ss -ltnp 'sport = :${port}' names it`,
  ],
  EACCES: () => [
    'not allowed',
    'ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE (deploy/systemd has it)',
  ],
  EADDRNOTAVAIL: () => ['this machine has no such address', 'ip address lists those it has; 0.0.0.0 stands for all'],
};

/** For `catch`: throws an error that says which setting names the place, and what to do. */
export function whyNotListening(place: Place, named: Named): (error: unknown) => never {
  return error => {
    const { says, next } = troubleOf(place, error);
    if (named.file === null) {
      throw new Error(`cannot listen on ${textOf(place)} (setting ${named.setting}): ${says}\n  ${next}`);
    }
    const message = `cannot listen on ${textOf(place)}: ${says}`;
    throw new Error(problemText(problemAt(named.file, named.path, { message, hint: next })));
  };
}

function troubleOf(place: Place, error: unknown): { says: string; next: string } {
  const [says, next] = TROUBLES[codeOf(error)]?.(place) ?? [errorText(error), 'name another address or port'];
  return { says, next };
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** Throws for the first address that is not to be had, before children and databases were started for nothing. */
export async function checkFree(settings: Pick<Settings, 'listeners' | 'http' | 'file'>): Promise<void> {
  for (const { place, named } of placesOf(settings)) await tryPlace(place).catch(whyNotListening(place, named));
}

/** For a gateway that does not run: could it listen where it is to? A row for each place where it could not. */
export async function placesHealth(
  settings: Pick<Settings, 'listeners' | 'http' | 'file'>,
  attempt = tryPlace,
): Promise<Health[]> {
  const part = 'ports';
  const found: Health[] = [];
  const places = placesOf(settings);
  for (const { place, named } of places) {
    await attempt(place).catch(async error => {
      const { level, says, next } = await examined(place, error);
      found.push({ part, level, says: `${textOf(place)} (setting ${named.setting}): ${says}`, next });
    });
  }
  if (found.length > 0) return found;
  return [{ part, level: 'ok', says: `${places.map(({ place }) => textOf(place)).join(', ')}: free`, next: '' }];
}

const UNPRIVILEGED_FROM = 1024;

/**
 * Who asks may have fewer rights than the service, which its unit gives the capability for such ports. The system says
 * so before it looks whether the port is free: that is seen by knocking.
 */
async function examined(place: Place, error: unknown): Promise<Pick<Health, 'level' | 'says' | 'next'>> {
  if (codeOf(error) !== 'EACCES') return { level: 'down', ...troubleOf(place, error) };
  if (await somebodyAnswers(place)) return { level: 'down', ...troubleOf(place, { code: 'EADDRINUSE' }) };
  if (place.port >= UNPRIVILEGED_FROM) return { level: 'down', ...troubleOf(place, error) };
  const says = 'this user may not listen there, and nobody else does: only the service can tell';
  const next = 'start the gateway as deploy/systemd does, with CAP_NET_BIND_SERVICE, and ask again';
  return { level: 'degraded', says, next };
}

/** On this machine an answer comes at once. */
const KNOCK_MS = 1000;

function somebodyAnswers({ host, port }: Place): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: KNOCK_MS });
    const end = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** Of a listener by its name, for main.ts. */
export function listenerNamed({ listeners, file }: Pick<Settings, 'listeners' | 'file'>, name: string): Named {
  const index = listeners.findIndex(listener => listener.name === name);
  return { file, path: ['listeners', index, 'address'], setting: `listeners, ${name}` };
}

export function httpNamed({ file }: Pick<Settings, 'file'>): Named {
  return { file, path: ['http'], setting: 'http' };
}

function placesOf(settings: Pick<Settings, 'listeners' | 'http' | 'file'>): { place: Place; named: Named }[] {
  const { listeners, http } = settings;
  return [
    ...listeners.map(({ name, address }) => ({ place: address, named: listenerNamed(settings, name) })),
    ...(http === 'off' ? [] : [{ place: http, named: httpNamed(settings) }]),
  ];
}

function textOf({ host, port }: Place): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function tryPlace({ host, port }: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}
