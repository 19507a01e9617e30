// The counters of clients by address, as the settings limit them. Called by main.ts, at the start and by each reload.

import type { Settings } from '../config/settings.ts';
import type { Log } from '../platform/log.ts';
import { connectRedis } from '../platform/redis.ts';
import { createRates, type Rates } from '../reputation/rates.ts';

/** A memory Redis on the same host answers in well under a millisecond. */
const MEMORY_COMMAND_MS = 500;

export function clientRates({ limits }: Settings, redisUrl: string, log: Log): Rates {
  return createRates({
    redis: connectRedis({ url: redisUrl, name: 'postern-rates', commandTimeoutMs: MEMORY_COMMAND_MS, log }),
    messagesPerHour: limits.messagesPerHourPerAddress || Number.POSITIVE_INFINITY,
    connectionsPerMinute: limits.connectionsPerMinutePerAddress || Number.POSITIVE_INFINITY,
    log,
  });
}
