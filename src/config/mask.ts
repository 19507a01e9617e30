// The settings as the log may show them at start: everything that holds, in one JSON object, without secrets.

import { maskUrls } from './problems.ts';
import type { Settings } from './settings.ts';

/** Maps become objects, times stay milliseconds, sizes bytes; names and passwords in URLs become ***. */
export function maskedSettings(settings: Settings): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, masked(value)]));
}

function masked(value: unknown): unknown {
  if (typeof value === 'string') return maskUrls(value);
  if (Array.isArray(value)) return value.map(masked);
  const entries =
    value instanceof Map ? [...value] : typeof value === 'object' && value !== null ? Object.entries(value) : null;
  return entries === null ? value : Object.fromEntries(entries.map(([key, inner]) => [key, masked(inner)]));
}
