// The newest messages of an address, one line a copy. Called by trace.ts; table.ts makes the words of a mail harmless.

import type { TracedLine } from '../ledger/trace.ts';
import { green, red, yellow } from './colour.ts';
import { type Column, table, terminalWidth } from './table.ts';

export function traceTable(lines: readonly TracedLine[], width = terminalWidth()): string {
  if (width >= ROOMY) return table([...COLUMNS, ...WIDE], lines.map(wideOf), width);
  return table([...COLUMNS, ...NARROW], lines.map(narrowOf), width);
}

/** From this width on WHY has a column of its own; below it shares a line with the subject. */
const ROOMY = 120;

const COLUMNS: readonly Column[] = [
  { title: 'WHEN (UTC)' },
  { title: 'ID' },
  { title: 'STATE', colour: state => STATE_COLOURS[state] ?? yellow },
  { title: 'SCORE', align: 'right' },
  { title: 'FROM', narrow: 'middle' },
  { title: 'TO', narrow: 'middle' },
];
const WIDE: readonly Column[] = [
  { title: 'WHY', narrow: 'end' },
  { title: 'SUBJECT', narrow: 'below' },
];
const NARROW: readonly Column[] = [{ title: 'WHY \u00b7 SUBJECT', narrow: 'below' }];

/** Where somebody waits for it, or has it. The others are a matter of view. */
const STATE_COLOURS: Readonly<Record<string, (text: string) => string>> = {
  relayed: green,
  released: green,
  refused: red,
  held: red,
};

function wideOf(line: TracedLine): string[] {
  return [...cellsOf(line), line.why, line.subject];
}

function narrowOf(line: TracedLine): string[] {
  return [...cellsOf(line), [line.why, line.subject].filter(text => text !== '').join(' \u00b7 ')];
}

function cellsOf({ startedAt, id, state, score, mailFrom, rcptTo }: TracedLine): string[] {
  const when = new Date(startedAt).toISOString().slice(0, 19).replace('T', ' ');
  return [when, id, state, score?.toFixed(1) ?? '-', mailFrom === '' ? '<>' : mailFrom, rcptTo];
}
