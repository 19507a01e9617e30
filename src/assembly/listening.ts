// Whether the addresses of the settings can be listened on, and what an administrator is told when one cannot. Called by
// main.ts before anything is started, and by doctor. Takes no connection: who comes in this moment finds nobody, and
// tries again.

import { createServer } from 'node:net';
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
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const [says, next] = TROUBLES[code]?.(place) ?? [errorText(error), 'name another address or port'];
  return { says, next };
}

/** Throws for the first address that is not to be had, before children and databases were started for nothing. */
export async function checkFree(settings: Pick<Settings, 'listeners' | 'http' | 'file'>): Promise<void> {
  for (const { place, named } of placesOf(settings)) await tryPlace(place).catch(whyNotListening(place, named));
}

/** For a gateway that does not run: could it listen where it is to? A row for each place where it could not. */
export async function placesHealth(settings: Pick<Settings, 'listeners' | 'http' | 'file'>): Promise<Health[]> {
  const part = 'ports';
  const found: Health[] = [];
  const places = placesOf(settings);
  for (const { place, named } of places) {
    await tryPlace(place).catch(error => {
      const { says, next } = troubleOf(place, error);
      found.push({ part, level: 'down', says: `${textOf(place)} (setting ${named.setting}): ${says}`, next });
    });
  }
  if (found.length > 0) return found;
  return [{ part, level: 'ok', says: `${places.map(({ place }) => textOf(place)).join(', ')}: free`, next: '' }];
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
