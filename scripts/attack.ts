// `npm run attack [-- FILE...]`: the attacks of test/attack in their long form, then the table of cases by kind. The same
// files run in their short form in `npm test`. POSTERN_FUZZ_SEED and POSTERN_FUZZ_ROUNDS are heard as everywhere.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Times the inputs of a short run. */
const ROUNDS = '10';
const HANGS_AFTER_MS = 1_800_000;

const folder = mkdtempSync(join(tmpdir(), 'postern-attack-'));
const report = join(folder, 'report.jsonl');
const files = process.argv.slice(2);
const startedAt = Date.now();
const { status } = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    // One file at a time: each wants the machine for itself, or its figures would be of the others.
    '--test-concurrency=1',
    `--test-timeout=${HANGS_AFTER_MS}`,
    '--test-reporter=spec',
    ...(files.length > 0 ? files : ['test/attack/**/*.test.ts']),
  ],
  {
    cwd: ROOT,
    stdio: 'inherit',
    env: { POSTERN_FUZZ_ROUNDS: ROUNDS, ...process.env, POSTERN_ATTACK: 'long', POSTERN_ATTACK_REPORT: report },
  },
);
process.stdout.write(table(existsSync(report) ? readFileSync(report, 'utf8') : ''));
process.stdout.write(`${Math.round((Date.now() - startedAt) / 1000)} s\n`);
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;

function table(lines: string): string {
  const kinds = new Map<string, number>();
  for (const line of lines.split('\n').filter(text => text !== '')) {
    const { kind, n } = JSON.parse(line) as { kind: string; n: number };
    kinds.set(kind, (kinds.get(kind) ?? 0) + n);
  }
  const rows = [...kinds].sort(([a], [b]) => (a < b ? -1 : 1));
  const all = rows.reduce((sum, [, n]) => sum + n, 0);
  const shown = [...rows, ['all', all] as const].map(([kind, n]) => `${String(n).padStart(9)}  ${kind}`);
  return `\nThe attack: cases by kind\n${shown.join('\n')}\n`;
}
