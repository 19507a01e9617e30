// The log: one JSON object a line on stderr (or a file), made once in main.ts and handed to whoever needs it.
// Never bodies, never credentials. Values are JSON strings, so hostile bytes cannot break a line.

import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose every line carries these fields. */
  with(fields: object): Log;
}

/** `write` takes whole lines; without it they go to stderr at once, so that none is missing after a crash. */
export function createLog(level: LogLevel | 'silent', write?: (line: string) => void): Log {
  const stream: DestinationStream = write === undefined ? destination({ fd: 2, sync: true }) : { write };
  const base = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` };
  return wrap(pino({ ...base, formatters: { level: label => ({ level: label }) } }, stream));
}

/** A log that keeps nothing: for commands that print their own output. */
export function silentLog(): Log {
  return createLog('silent', () => undefined);
}

/** What an error says, with its chain of causes, at most 1000 characters. */
export function errorText(error: unknown): string {
  const said: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && said.length < 5; ) {
    said.push(at instanceof Error ? at.message || at.name : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return said.join(': ').slice(0, 1000);
}

function wrap(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    with: fields => wrap(logger.child(fields)),
  };
}
