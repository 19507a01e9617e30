// Whether the addresses of the settings can be listened on, and what an administrator is told when one cannot. Called by
// main.ts before anything is started. Takes no connection: who comes in this moment finds nobody, and tries again.

import { createServer } from 'node:net';
import type { Settings } from '../config/settings.ts';
import { errorText } from '../platform/log.ts';

const NEXT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses this port: stop it, or name another port',
  EACCES: 'ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address',
};

/** For `catch`: throws an error that says which setting names the place, and what to do. */
export function whyNotListening(place: { host: string; port: number }, setting: string): (error: unknown) => never {
  return error => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new Error(
      `cannot listen on ${place.host}:${place.port} (setting ${setting}): ${NEXT[code] ?? errorText(error)}`,
    );
  };
}

/** Throws for the first address that is not to be had, before children and databases were started for nothing. */
export async function checkFree({ listeners, http }: Pick<Settings, 'listeners' | 'http'>): Promise<void> {
  const places = [
    ...listeners.map(({ name, address }) => ({ address, setting: `listeners, ${name}` })),
    ...(http === 'off' ? [] : [{ address: http, setting: 'http' }]),
  ];
  for (const { address, setting } of places) await tryPlace(address).catch(whyNotListening(address, setting));
}

function tryPlace({ host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}
