// What an administrator is told when an address cannot be listened on.

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
