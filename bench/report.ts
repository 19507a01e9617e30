// The tables and lines that people read. `--json` prints the same figures and calls nothing here.

import type { Run } from './measure.ts';

/** Columns as wide as their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map(row => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}

export function runsTable(runs: readonly Run[]): string {
  const head = ['', 'msg/s', 'MB/s', 'p50 ms', 'p95', 'p99', 'max', 'own CPU ms', 'peak RSS MB', 'relayed', 'replies'];
  return table(
    head,
    runs.map(run => [
      run.name,
      run.perSecond.toFixed(1),
      run.megabytesPerSecond.toFixed(2),
      ...[run.latencyMs.p50, run.latencyMs.p95, run.latencyMs.p99, run.latencyMs.max].map(ms => ms.toFixed(0)),
      run.subjectCpuMs.toFixed(2),
      (run.peakRss / 1e6).toFixed(0),
      `${run.relayed}/${run.sent}`,
      Object.entries(run.replies)
        .filter(([, count]) => count > 0)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(', '),
    ]),
  );
}

/** CPU of each process, milliseconds a message. */
export function cpuTable(runs: readonly Run[]): string {
  const names = [...new Set(runs.flatMap(run => Object.keys(run.cpuMs)))];
  const cell = (run: Run, name: string) => run.cpuMs[name]?.toFixed(2) ?? '';
  return table(
    ['CPU ms a message', ...names],
    runs.map(run => [run.name, ...names.map(name => cell(run, name))]),
  );
}

/** Threads of one name, the busiest first; those that did nothing are left out. */
export function threadsTable(run: Run): string {
  const busy = Object.entries(run.threadsMs).filter(([, ms]) => ms >= 0.005);
  const rows = busy.toSorted(([, a], [, b]) => b - a).map(([name, ms]) => [name, ms.toFixed(2)]);
  return rows.length === 0 ? '' : table([`threads of ${run.name}`, 'CPU ms a message'], rows);
}

export interface Bar {
  readonly holds: boolean;
  readonly says: string;
}

export function bar(holds: boolean, says: string): string {
  return `${holds ? 'pass' : 'FAIL'}  ${says}`;
}
