// What is wrong with a file that a person wrote, said as a compiler says it:
//
//   postern.yaml:3:5: unknown key "nextHpo"
//     3 |     nextHpo: smtp://10.0.0.5:25
//       |     ^
//     did you mean "nextHop"?

export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** What was found and what was expected. */
  readonly message: string;
  /** What to do; '' where the message says it all. */
  readonly hint: string;
  /** The line as it stands in the file, '' where it is not known. */
  readonly source: string;
}

/** A file, or several, that cannot be used. The command line prints the problems and exits with 2. */
export class BadFile extends Error {
  override readonly name = 'BadFile';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemText).join('\n'));
    this.problems = problems;
  }
}

export function problemText(problem: Problem): string {
  const { file, line, column, message, hint, source } = problem;
  const head = `${file}:${line}:${column}: ${message}`;
  const gutter = ' '.repeat(String(line).length);
  const shown = source.slice(0, 200).replace(/[^\x20-\x7e\u00a0-\u{10ffff}]/gu, ' ');
  const picture = source === '' ? [] : [`  ${line} | ${shown}`, `  ${gutter} | ${' '.repeat(column - 1)}^`];
  return [head, ...picture, ...(hint === '' ? [] : [`  ${hint}`])].join('\n');
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

/** Damerau-Levenshtein with adjacent swaps (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20 || a.length > 100) return 100;
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
