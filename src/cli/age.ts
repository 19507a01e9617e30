// An age as an option gives it: `--since 12h`. Called by commands that list.

import { safeLine } from '../platform/terminal-text.ts';
import { UsageError } from './exit.ts';

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** When that was, epoch milliseconds. Throws UsageError. */
export function sinceOf(age: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(age) ?? [];
  const size = UNITS[unit];
  if (size === undefined) throw new UsageError(`--since ${safeLine(age, 200)}: expected an age such as 30m, 12h or 7d`);
  return Date.now() - Number(count) * size;
}
