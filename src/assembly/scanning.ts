// One version of what judges mail: rules on their threads, scanners, and the formulas that bring all together. A reload
// builds a whole new version beside the old one; a message is judged by one from its first phase to its last (I9).

import { availableParallelism } from 'node:os';
import type { Settings } from '../config/settings.ts';
import type { Scanner } from '../mail/ports.ts';
import { DEFAULT_LIMITS, type MessageLimits } from '../message/limits.ts';
import type { JudgeParts } from '../pipeline/judge.ts';
import { BadFile } from '../platform/problem.ts';
import { createThreads } from '../platform/threads.ts';
import { compileRules, type RuleSet } from '../rules/compile.ts';
import { loadRules } from '../rules/load.ts';
import type { RuleSource } from '../rules/model.ts';
import { createCombine } from '../rules/report.ts';
import type { RulesRead } from '../thread.ts';
import { createExpander } from './expander.ts';
import { ruleFolders } from './rule-folders.ts';

/** Threads that read messages: one a core, and never so many that their heaps fill the memory. */
export const EXPAND_THREADS = Math.min(8, availableParallelism());

const THREAD = new URL('../thread.ts', import.meta.url);
/** The largest set that may be: 20,000 rules with their examples. */
const READER_HEAP_MB = 1024;
/** As long as the command that asked waits for its answer; the largest set takes two minutes. */
const READ_WITHIN_MS = 9 * 60_000;

export interface JudgeVersion extends JudgeParts {
  readonly rules: RuleSet;
}

/** Throws BadFile with all that is wrong with the rules; nothing has been started then. */
export function readRules(settings: Settings): RuleSource {
  return loadRules(ruleFolders(settings));
}

/** The same on a thread of its own, for reading runs every example: some 5 ms a rule, and mail goes on meanwhile. */
export async function readRulesAside(settings: Settings): Promise<RuleSource> {
  const pool = createThreads({ name: 'rule files', file: THREAD, threads: 1, maxQueue: 0, heapMb: READER_HEAP_MB });
  try {
    const signal = AbortSignal.timeout(READ_WITHIN_MS);
    const read = (await pool.run('readRules', ruleFolders(settings), { signal })) as RulesRead;
    if (read.source === null) throw new BadFile(read.problems);
    return read.source;
  } finally {
    await pool.close();
  }
}

/** Ready when its threads have compiled the rules: no message waits for that. */
export async function createJudgeVersion(
  settings: Settings,
  source: RuleSource,
  scanners: readonly Scanner[],
): Promise<JudgeVersion> {
  const rules = compileRules(source);
  const ownDomains = [...settings.domains.keys()];
  const expander = await createExpander({ source, ownDomains, limits: messageLimits(settings) }, EXPAND_THREADS);
  return { rules, scanners, expander, combine: createCombine(rules, ownDomains) };
}

export function messageLimits({ limits }: Settings): MessageLimits {
  const { parts, depth, headerSize, nestedSize } = limits;
  return { ...DEFAULT_LIMITS, parts, depth, headerBytes: headerSize, nestedBytes: nestedSize };
}

/** Milliseconds by scanner name. */
export function scannerDeadlines({ scanners }: Settings): Readonly<Record<string, number>> {
  const { clamav, senderAuth, dnsLists } = scanners;
  return { clamav: clamav.deadline, 'sender-auth': senderAuth.deadline, 'dns-lists': dnsLists.deadline };
}
