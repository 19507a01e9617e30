// Asks next hops what they can do, so that EHLO offers the truth. Called by main.ts: at the start, every minute, after a
// reload.

import type { Log } from '../platform/log.ts';
import { errorText } from '../platform/log.ts';
import type { Routes } from './router.ts';

const EVERY_MS = 60_000;

/** Never rejects, and waits for nothing: what a next hop says is kept by itself. */
export function askHops(routes: Routes | null, log: Log): void {
  for (const hop of routes?.hopsBySettings.values() ?? []) {
    hop.health().catch(error => log.debug({ hop: hop.name, error: errorText(error) }, 'probe'));
  }
}

/** From now on every minute, those of the routes of that moment; the function returned ends it. */
export function keepAsking(routes: () => Routes | null, log: Log): () => void {
  askHops(routes(), log);
  const timer = setInterval(() => askHops(routes(), log), EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
