// Tables that fit the terminal: columns as wide as their content where there is room, else cut or wrapped. Everything
// that comes from a message goes through safeLine here. Called by every command that lists something.

import { safeLine } from '../platform/terminal-text.ts';
import { cutEnd, cutMiddle, padEnd, padStart, splitAt, textWidth } from '../platform/text-width.ts';
import { bold } from './colour.ts';

export interface Column {
  readonly title: string;
  /**
   * How it gives way when the terminal is narrow: `wrap` goes on below, `end` loses its end, `middle` its middle (for
   * addresses), `below` gets a line of its own (the last column only). Without it the column is never cut: ids are
   * copied from the screen.
   */
  readonly narrow?: 'wrap' | 'end' | 'middle' | 'below';
  readonly align?: 'right';
  /**
   * Columns go where there is no room for all of them: the one with the lowest number first, then numbers (aligned to the
   * right), then from the right. The first column stays. --json has everything.
   */
  readonly spare?: number;
  /** Colours a whole cell, after it was cut; gets what the row has there. */
  readonly colour?: (cell: string) => (text: string) => string;
}

/** Narrower than that, lines break: no table can be read there. */
const NARROWEST = 40;
/** For a pipe or a file: nothing is cut there, lines are for grep and awk. */
const ENDLESS = 100_000;
/** Columns that a column keeps when others need room. */
const WRAPPED_MIN = 14;
const CUT_MIN = 10;
/** What a column of the kind `below` wants beside the others. */
const BESIDE_MIN = 30;
const CELL_MAX = 1000;
const GAP = 2;
const BELOW = '    ';

/** Rows under their titles. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = terminalWidth(),
): string {
  const cells = rows.map(row => columns.map((_, i) => fewMarks(safeLine(row[i] ?? '', CELL_MAX))));
  const natural = columns.map((column, i) =>
    Math.max(textWidth(column.title), ...cells.map(row => textWidth(row[i] ?? ''))),
  );
  const last = columns.length - 1;
  const beside = sum(natural.slice(0, last)) + GAP * last;
  const isBelow = columns[last]?.narrow === 'below' && beside + Math.min(natural[last] ?? 0, BESIDE_MIN) > width;
  const kept = withRoom(isBelow ? columns.slice(0, last) : columns, natural, width);
  const shown = kept.map(i => columns[i] ?? { title: '' });
  const of = (row: readonly string[]) => kept.map(i => row[i] ?? '');
  const widths = fitted(
    shown,
    kept.map(i => natural[i] ?? 0),
    width,
  );
  const below = (cell: string) => (isBelow && cell !== '' ? [`${BELOW}${cutEnd(cell, width - BELOW.length)}`] : []);
  const titles = columns.map(column => column.title);
  const head = [line(shown, of(titles), widths), ...below(titles[last] ?? '')];
  const body = cells.flatMap(row => [...block(shown, of(row), widths), ...below(row[last] ?? '')]);
  return [...head.map(bold), ...body].join('\n');
}

/** Columns of the terminal; in a pipe those that COLUMNS tells (as `watch` does), else as many as are needed. */
export function terminalWidth(out: { readonly isTTY?: boolean; readonly columns?: number } = process.stdout): number {
  const told = Number(process.env['COLUMNS']);
  const width = out.isTTY === true ? (out.columns ?? 80) : Number.isInteger(told) && told > 0 ? told : ENDLESS;
  return Math.max(NARROWEST, width);
}

/** Lines of at most `width` columns, broken at blanks where there are any. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (textWidth(rest) > width && [...rest].length > 1) {
    const [head, tail] = splitAt(rest, width);
    const space = tail.startsWith(' ') ? head.length : head.lastIndexOf(' ');
    const [word = ''] = rest.slice(space + 1).split(' ', 1);
    // A name in two pieces is no name: only what fits into no line is broken, for instance a long path.
    const isWhole = space > 0 && (space === head.length || textWidth(word) <= width);
    // A character that is wider than the column must not keep us here for ever.
    const cut = isWhole ? space : Math.max(head.length, [...rest][0]?.length ?? 1);
    lines.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  return [...lines, rest];
}

/** Indexes of the columns that can stand side by side, in their order. */
function withRoom(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  let kept = columns.map((_, i) => i);
  const least = columns.map((column, i) => (column.narrow === undefined ? (natural[i] ?? 0) : leastOf(column)));
  const rank = (i: number) => columns[i]?.spare ?? (columns[i]?.align === 'right' ? 100 : 1000 - i);
  const wanted = () => sum(kept.map(i => Math.min(least[i] ?? 0, natural[i] ?? 0))) + GAP * (kept.length - 1);
  while (kept.length > 1 && wanted() > width) {
    const [goes] = kept.slice(1).sort((a, b) => rank(a) - rank(b));
    kept = kept.filter(i => i !== goes);
  }
  return kept;
}

function leastOf({ narrow, title }: Column): number {
  return Math.max(narrow === 'wrap' ? WRAPPED_MIN : CUT_MIN, textWidth(title));
}

function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let tooWide = sum(widths) + GAP * (columns.length - 1) - width;
  const least = columns.map(column => (column.narrow === undefined ? Number.POSITIVE_INFINITY : leastOf(column)));
  // The widest gives way first, one column at a time: two long addresses end up equally long.
  while (tooWide > 0) {
    const movable = widths.map((size, i) => (size > (least[i] ?? 0) ? size : 0));
    const widest = Math.max(...movable);
    if (widest === 0) break;
    widths[movable.indexOf(widest)] = widest - 1;
    tooWide -= 1;
  }
  return widths;
}

/** One row, in as many lines as its wrapped cells need. */
function block(columns: readonly Column[], row: readonly string[], widths: readonly number[]): string[] {
  const split = row.map((cell, i) => shown(cell, columns[i]?.narrow, widths[i] ?? 0));
  const height = Math.max(...split.map(lines => lines.length));
  return Array.from({ length: height }, (_, at) => {
    const cells = split.map(lines => lines[at] ?? '');
    return line(columns, cells, widths, row);
  });
}

function shown(cell: string, narrow: Column['narrow'], width: number): string[] {
  switch (narrow) {
    case 'wrap':
      return wrapped(cell, width);
    case 'end':
    case 'below':
      return [cutEnd(cell, width)];
    case 'middle':
      return [cutMiddle(cell, width)];
    case undefined:
      return [cell];
  }
}

function line(
  columns: readonly Column[],
  cells: readonly string[],
  widths: readonly number[],
  row: readonly string[] = [],
): string {
  const padded = cells.map((cell, i) => {
    const text = columns[i]?.align === 'right' ? padStart(cell, widths[i] ?? 0) : padEnd(cell, widths[i] ?? 0);
    const kept = i === cells.length - 1 ? text.trimEnd() : text;
    const value = row[i];
    return value === undefined ? kept : (columns[i]?.colour?.(value)(kept) ?? kept);
  });
  return padded.join(' '.repeat(GAP)).trimEnd();
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all + size, 0);
}

/** Marks without end pile up over the lines above. */
function fewMarks(text: string): string {
  return text.replace(/(\p{M}{4})\p{M}+/gu, '$1');
}
