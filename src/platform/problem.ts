// What is wrong with a file that a person wrote, said as a compiler says it:
//
//   postern.yaml:3:5: unknown key "nextHpo"
//     3 |     nextHpo: smtp://10.0.0.5:25
//       |     ^
//     did you mean "nextHop"?

import { textWidth } from './text-width.ts';

export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters (code points): a tab is one, a letter with an umlaut is one. */
  readonly column: number;
  /** What was found and what was expected. */
  readonly message: string;
  /** What to do; '' where the message says it all. */
  readonly hint: string;
  /** The line as it stands in the file, '' where it is not known. */
  readonly source: string;
}

/** Problems shown at once: more than a screenful helps nobody, and the first often cause the rest. */
export const PROBLEMS_MAX = 20;

/** A file, or several, that cannot be used. The command line prints the problems and exits with 2. */
export class BadFile extends Error {
  override readonly name = 'BadFile';
  /** The first PROBLEMS_MAX of them. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const shown = problems.slice(0, PROBLEMS_MAX);
    const more = problems.length - shown.length;
    super([...shown.map(problemText), ...(more === 0 ? [] : [`and ${more} more`])].join('\n'));
    this.problems = shown;
  }
}

/** Characters of a source line that are shown, and how many of them stand before the caret at least. */
const SHOWN = 120;
const SHOWN_BEFORE = 60;

/** Text from a file may be hostile: nothing that moves a terminal's cursor or turns the direction of writing gets out. */
export function problemText(problem: Problem): string {
  const { file, line, column, message, hint, source } = problem;
  const head = `${plain(file)}:${line}:${column}: ${plain(message)}`;
  return [head, ...picture(source, line, column), ...(hint === '' ? [] : [`  ${plain(hint)}`])].join('\n');
}

/** The candidate most like `word`, null where none is near: for "did you mean". */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function picture(source: string, line: number, column: number): string[] {
  if (source.trim() === '') return [];
  const characters = [...source];
  const from = Math.max(0, Math.min(column - 1 - SHOWN_BEFORE, characters.length - SHOWN));
  const shown = plain(characters.slice(from, from + SHOWN).join(''));
  const before = plain(characters.slice(from, column - 1).join(''));
  const gutter = ' '.repeat(String(line).length);
  return [`  ${line} | ${shown}`, `  ${gutter} | ${' '.repeat(textWidth(before))}^`];
}

/** Controls, line ends, lone surrogates and invisible format characters become one space each. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ');
}

/** Damerau-Levenshtein with adjacent swaps (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20 || a.length > 100) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [before, above] = [above, row];
  }
  return above[b.length] ?? 0;
}
