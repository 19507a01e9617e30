// The newest messages of an address, one line a copy. Called by trace.ts; table.ts makes the words of a mail harmless.

import type { TracedLine } from '../ledger/trace.ts';
import { green, red, yellow } from './colour.ts';
import { type Column, table, terminalWidth } from './table.ts';

export function traceTable(lines: readonly TracedLine[], width = terminalWidth()): string {
  return table(COLUMNS, lines.map(lineOf), width);
}

const COLUMNS: readonly Column[] = [
  { title: 'WHEN (UTC)' },
  { title: 'ID' },
  { title: 'STATE', colour: state => STATE_COLOURS[state] ?? yellow },
  { title: 'SCORE', align: 'right' },
  { title: 'FROM', narrow: 'middle' },
  { title: 'TO', narrow: 'middle' },
  { title: 'SUBJECT', narrow: 'below' },
];

/** Where somebody waits for it, or has it. The others are a matter of view. */
const STATE_COLOURS: Readonly<Record<string, (text: string) => string>> = {
  relayed: green,
  released: green,
  refused: red,
  held: red,
};

function lineOf({ startedAt, id, state, score, mailFrom, rcptTo, subject }: TracedLine): string[] {
  const when = new Date(startedAt).toISOString().slice(0, 19).replace('T', ' ');
  return [when, id, state, score?.toFixed(1) ?? '-', mailFrom === '' ? '<>' : mailFrom, rcptTo, subject];
}
