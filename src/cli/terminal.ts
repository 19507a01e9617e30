// Tables, colours and words for people at a terminal. Called by every command that prints; everything that comes from
// a message goes through safeLine first.

import { safeLine } from '../platform/terminal-text.ts';

const NARROWEST = 60;
const WIDEST = 200;

export interface Column {
  readonly title: string;
  /** The column that gives way when the terminal is narrow: its text is wrapped. */
  readonly wraps?: boolean;
  readonly align?: 'right';
}

/** Rows under their titles, in columns as wide as their content; the wrapping column takes what is left. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = terminalWidth(),
): string {
  const cells = rows.map(row => columns.map((_, i) => safeLine(row[i] ?? '', 1000)));
  const widths = columns.map((column, i) => Math.max(column.title.length, ...cells.map(row => row[i]?.length ?? 0)));
  const gaps = 2 * (columns.length - 1);
  const wrapping = columns.findIndex(column => column.wraps === true);
  if (wrapping !== -1) {
    const others = widths.reduce((sum, size, i) => (i === wrapping ? sum : sum + size), gaps);
    widths[wrapping] = Math.min(widths[wrapping] ?? 0, Math.max(20, width - others));
  }
  const title = line(
    columns,
    columns.map(column => column.title),
    widths,
  );
  const body = cells.flatMap(row => {
    const wrapped = row.map((cell, i) => (i === wrapping ? wrap(cell, widths[i] ?? 20) : [cell]));
    const height = Math.max(...wrapped.map(lines => lines.length));
    return Array.from({ length: height }, (_, at) =>
      line(
        columns,
        wrapped.map(lines => lines[at] ?? ''),
        widths,
      ),
    );
  });
  return [bold(title), ...body].join('\n');
}

function line(columns: readonly Column[], cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, i) =>
    columns[i]?.align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
  );
  return padded.join('  ').trimEnd();
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const cut = space > width / 2 ? space : width;
    lines.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return [...lines, rest];
}

export function terminalWidth(): number {
  return Math.min(WIDEST, Math.max(NARROWEST, process.stdout.columns ?? 100));
}

export const bold = (text: string) => styled(1, text);
export const red = (text: string) => styled(31, text);
export const green = (text: string) => styled(32, text);
export const yellow = (text: string) => styled(33, text);
export const dim = (text: string) => styled(2, text);

/** Colour only for a terminal, and not where NO_COLOR is set (no-color.org). */
function styled(code: number, text: string): string {
  const wanted = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '';
  return wanted ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/** `postern trace … | head`: who reads has seen enough. Without this the closed pipe ends in a stack trace. */
export function endWhenNobodyReads(): void {
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit();
    throw error;
  });
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One JSON value on a line. */
export function printJson(value: unknown): void {
  print(jsonLine(value));
}

/** What JSON leaves as it is and a terminal obeys: C1 controls, line separators, marks that turn the reading order. */
const UNSEEN = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The same value for a program, and harmless for a terminal. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(UNSEEN, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
