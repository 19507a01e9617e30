// Connections that were refused or cut off to make room: a counter by reason, and a log line a second and reason at most,
// for a line each would be a flood of its own. Made once in main.ts with the other counters.

import type { TurnedAway } from '../gateway/gateway.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';

const EVERY_MS = 1000;

/** Hears of each connection that was turned away. */
export function turnedAwayCounter(
  metrics: Metrics,
  log: Log,
  everyMs = EVERY_MS,
): (reason: TurnedAway, address: string) => void {
  const help = 'Connections refused, or cut off while all places were taken, by reason';
  const counter = metrics.counter('connections_refused_total', help, ['reason']);
  const untold = new Map<TurnedAway, { count: number; readonly address: string }>();
  return (reason, address) => {
    counter.add({ reason });
    const known = untold.get(reason);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const first = { count: 1, address };
    untold.set(reason, first);
    setTimeout(() => {
      untold.delete(reason);
      log.info({ reason, connections: first.count, example: address }, 'connections refused');
    }, everyMs).unref();
  };
}
