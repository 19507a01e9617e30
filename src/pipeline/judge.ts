// The three phases of a scan: expand on a thread that can be killed, inspect by all scanners at once, combine. Called by
// the worker for each job, and by `postern check` without any queue. States facts; never throws for a bad message or a
// bad scanner, only where there is nobody to combine what was found.

import { setMaxListeners } from 'node:events';

import { type Finding, type Report, unavailable, unscannable } from '../mail/finding.ts';
import type { Combine, Expanded, Expander, Scanner, ScanRun, SpoolEntry } from '../mail/ports.ts';
import { DeadlinePassed, withDeadline, withEither } from '../platform/deadline.ts';
import { failpoint } from '../platform/failpoint.ts';
import { InFlight } from '../platform/in-flight.ts';
import { errorText, type Log } from '../platform/log.ts';

/** One set of rules and scanners. A message is judged by one set from its first phase to its last (I9). */
export interface JudgeParts {
  readonly expander: Expander;
  readonly scanners: readonly Scanner[];
  readonly combine: Combine;
}

export interface JudgeOptions {
  /** Asked once a message: a reload takes effect with the next one. */
  readonly parts: () => JudgeParts;
  /** Threads of the expander: no message waits inside its pool, where waiting would count as its own time. */
  readonly expandThreads: number;
  /** Milliseconds a message may hold its thread; then the thread is killed. */
  readonly expandMs: number;
  /** Milliseconds for a scanner, by name; `*` for those without an entry. */
  readonly scannerMs: Readonly<Record<string, number>>;
  readonly log: Log;
}

/** `deadline` in epoch milliseconds. Rejects with the signal's reason, or with what `combine` threw. */
export type Judge = (entry: SpoolEntry, deadline: number, signal: AbortSignal) => Promise<Report>;

/** The scanner name of what the expand phase found. */
export const EXPAND = 'rules';
/** Kept back from the deadline, so that a late scanner still gives a report with `unavailable` in it. */
const RESERVE_MS = 300;
/** A message that takes a thread for seconds. */
const LARGE_BYTES = 4 * 1024 * 1024;
/**
 * Of all large messages that are on a thread at once. One takes three and a half times its size there (its bytes, decoded
 * parts, views): two of the largest one after the other, not beside each other.
 */
const LARGE_TOTAL_BYTES = 64 * 1024 * 1024;
/** A message that killed its thread once is tried again only with so much time left. */
const SECOND_TRY_MS = 500;
const DEFAULT_SCANNER_MS = 30_000;
/** No scanner has so much to say about one message. */
const FINDINGS_MAX = 1000;

export function createJudge(options: JudgeOptions): Judge {
  const threads = new InFlight(options.expandThreads, Number.POSITIVE_INFINITY);
  // One thread is kept for small messages, and none of them stands behind a large one.
  const large = new InFlight(Math.max(1, options.expandThreads - 1), LARGE_TOTAL_BYTES);

  return async (entry, deadline, signal) => {
    const parts = options.parts();
    // Every scanner listens to it.
    setMaxListeners(0, signal);
    const until = deadline - RESERVE_MS;
    const started = performance.now();
    const expanded = await expand(parts.expander, entry, until, signal);
    signal.throwIfAborted();
    const rules: ScanRun = {
      scanner: EXPAND,
      ms: since(started),
      findings: expanded.findings.slice(0, FINDINGS_MAX),
      // The formulas of the rules are worked out where all findings are; this is what they know of the message.
      ...(expanded.facts === undefined ? {} : { facts: expanded.facts }),
    };
    await failpoint('scan.inspect');
    const task = { entry, summary: expanded.summary };
    const runs = await Promise.all(
      parts.scanners.map(async scanner => {
        const from = performance.now();
        const own = options.scannerMs[scanner.name] ?? options.scannerMs['*'] ?? DEFAULT_SCANNER_MS;
        const ms = Math.max(0, Math.min(own, until - Date.now()));
        const findings = await inspect(scanner.name, ms, inner => scanner.scan(task, inner), signal);
        return { scanner: scanner.name, ms: since(from), findings };
      }),
    );
    signal.throwIfAborted();
    await failpoint('scan.combine');
    return parts.combine(entry, [rules, ...runs], expanded.summary);
  };

  /** Never rejects: what went wrong is a finding. */
  async function expand(expander: Expander, entry: SpoolEntry, until: number, signal: AbortSignal): Promise<Expanded> {
    let kills = 0;
    try {
      await failpoint('scan.expand');
      while (kills < 2) {
        const left = until - Date.now();
        if (kills > 0 && left < SECOND_TRY_MS)
          return nothing(unavailable(EXPAND, 'it took too long, and too little time is left'));
        const tried = await withDeadline(Math.max(0, left), EXPAND, inner => oneTry(expander, entry, inner), signal);
        if (tried !== 'killed') return tried;
        kills += 1;
        options.log.warn({ id: entry.id, kills }, 'message killed its thread');
      }
      return nothing(unscannable('killed its thread twice'));
    } catch (error) {
      options.log.warn({ id: entry.id, err: errorText(error) }, 'message could not be expanded');
      return nothing(unavailable(EXPAND, errorText(error)));
    }
  }

  /** 'killed' where the message itself was too much for a thread; rejects where time or the outside was at fault. */
  async function oneTry(expander: Expander, entry: SpoolEntry, signal: AbortSignal): Promise<Expanded | 'killed'> {
    const run = () => threads.run(entry.sizeBytes, signal, () => onThread(expander, entry, signal));
    return entry.sizeBytes < LARGE_BYTES ? run() : large.run(entry.sizeBytes, signal, run);
  }

  async function onThread(expander: Expander, entry: SpoolEntry, signal: AbortSignal): Promise<Expanded | 'killed'> {
    const timeout = new AbortController();
    const onLate = () => timeout.abort(new DeadlinePassed(`killed after ${options.expandMs} ms`));
    const timer = setTimeout(onLate, options.expandMs);
    try {
      return sound(await withEither(signal, timeout.signal, async either => expander.expand(entry, either)));
    } catch (error) {
      // Only its own time, all of it, is the message's fault: not the job's deadline, not our own end.
      if (!signal.aborted && (timeout.signal.aborted || isThreadLost(error))) return 'killed';
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Never rejects. `work` that throws, lies or ends too late is `unavailable` (I8). */
async function inspect(
  name: string,
  ms: number,
  work: (signal: AbortSignal) => Promise<readonly Finding[]>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  try {
    const findings = await withDeadline(ms, name, async inner => work(inner), signal);
    if (!Array.isArray(findings)) return [unavailable(name, 'gave no findings')];
    return findings.slice(0, FINDINGS_MAX);
  } catch (error) {
    return [unavailable(name, errorText(error))];
  }
}

function nothing(finding: Finding): Expanded {
  return { findings: [finding], summary: null };
}

function sound(expanded: Expanded): Expanded {
  if (!Array.isArray(expanded?.findings)) throw new Error('the expander gave no findings');
  return expanded;
}

/** The thread died of the message: out of memory, most likely. */
function isThreadLost(error: unknown): boolean {
  return error instanceof Error && error.name === 'ThreadLost';
}

function since(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100;
}
