// Durations and sizes as people write them: `30s`, `64MiB`. Used by the kinds of values, by messages and by the pages.

/** A length of time in milliseconds. */
export type Milliseconds = number;

/** A size in bytes (of 8 bits). */
export type Bytes = number;

/** Text that is not what it should be: `hint` says what to write instead, '' where nobody can guess. */
export interface Wrong {
  readonly hint: string;
}

export function wrong(hint = ''): Wrong {
  return { hint };
}

const DURATIONS = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]);

const SIZES = new Map([
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
]);

/** As an editor may check them while they are typed. */
export const DURATION_PATTERN = /^[0-9]{1,9} ?(?:ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^[0-9]{1,12} ?(?:B|KiB|MiB|GiB|TiB)$/;

/** null where it is none. */
export function parseDuration(text: string): Milliseconds | null {
  return DURATION_PATTERN.test(text) ? withUnit(text, DURATIONS) : null;
}

/** null where it is none, or beyond what a number holds exactly. */
export function parseSize(text: string): Bytes | null {
  const size = SIZE_PATTERN.test(text) ? withUnit(text, SIZES) : null;
  return size !== null && Number.isSafeInteger(size) ? size : null;
}

/** In the largest unit that needs no fraction: `5m`, `1500ms`. */
export function durationText(ms: Milliseconds): string {
  return inLargest(ms, DURATIONS, 's');
}

/** In the largest unit that needs no fraction: `64MiB`. */
export function sizeText(bytes: Bytes): string {
  return inLargest(bytes, SIZES, 'B');
}

/** How the value was probably meant, '' where that is not clear: `30` is `30s`, `64MB` and `64M` are `64MiB`. */
export function durationHint(found: unknown): string {
  const words = /^\s*(\d{1,9})\s*(sec|seconds?|min|minutes?|hours?|days?|[smhd])?\s*$/i.exec(String(found));
  if (words === null) return '';
  const unit = (words[2] ?? 's').charAt(0).toLowerCase();
  return `write "${words[1]}${unit}"`;
}

export function sizeHint(found: unknown): string {
  const words = /^\s*(\d{1,12})\s*([kmgt])i?b?\s*$/i.exec(String(found));
  const size = words === null ? '' : `${words[1]}${words[2]?.toUpperCase()}iB`;
  // One that is written rightly is too large.
  if (size !== '') return parseSize(size) === null ? '' : `write "${size}"`;
  return /^\s*\d{1,12}\s*b?\s*$/i.test(String(found)) ? `write "${Number.parseInt(String(found), 10)}B" for bytes` : '';
}

function withUnit(text: string, units: ReadonlyMap<string, number>): number {
  const [, digits = '', unit = ''] = /^([0-9]+) ?([A-Za-z]+)$/.exec(text) ?? [];
  return Number(digits) * (units.get(unit) ?? Number.NaN);
}

function inLargest(value: number, units: ReadonlyMap<string, number>, zero: string): string {
  if (value === 0) return `0${zero}`;
  for (const [unit, worth] of units) {
    if (value % worth === 0) return `${value / worth}${unit}`;
  }
  return String(value);
}
