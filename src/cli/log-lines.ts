// The log for somebody who looks on: a line of JSON becomes a line to read. Only for a terminal; files, pipes and journals
// get the JSON. Called by serve.ts.

import { safeLine } from '../platform/terminal-text.ts';
import { dim, red, yellow } from './colour.ts';

/** Of one line: what is longer is for programs. */
const LINE_MAX = 500;
const LEVELS: Readonly<Record<string, (text: string) => string>> = {
  debug: dim,
  info: String,
  warn: yellow,
  error: red,
};

/** `22:41:03 warn   next hop: host failed  host=smtp://10.0.0.5:25 error="…"`. What is no JSON stays as it is. */
export function readableLine(line: string): string {
  const entry = parsed(line);
  if (entry === null) return line;
  const { level = '', time = '', msg = '', ...fields } = entry;
  const rest = Object.entries(fields)
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(' ');
  const colour = LEVELS[String(level)] ?? String;
  const head = `${dim(String(time).slice(11, 19))} ${colour(safeLine(String(level), 10).padEnd(6))}`;
  return `${head} ${colour(safeLine(String(msg), LINE_MAX))}${rest === '' ? '' : `  ${dim(safeLine(rest, LINE_MAX))}`}\n`;
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

function valueText(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"]+$/.test(value)) return value;
  return JSON.stringify(value);
}
