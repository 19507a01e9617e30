// What runs on the threads that can be killed: reading a message and matching the rules' expressions, and reading rule
// files. Loaded by the pools of src/assembly; nobody else calls it. One message at a time, read whole: what it
// takes is bounded by the pool's size and by the bytes in flight.

import { workerData } from 'node:worker_threads';
import { type Finding, hit } from './mail/finding.ts';
import type { Expanded, SpoolEntry } from './mail/ports.ts';
import type { MessageLimits } from './message/limits.ts';
import { readMessage } from './message/read.ts';
import { summarise } from './message/summary.ts';
import { readWhole } from './platform/content.ts';
import { failpoint } from './platform/failpoint.ts';
import type { Problem } from './platform/problem.ts';
import { compileRules, type RuleSet } from './rules/compile.ts';
import { lintRules } from './rules/load.ts';
import type { RuleSource } from './rules/model.ts';
import { entryContext } from './rules/report.ts';
import { warmRules } from './rules/warm.ts';

/** What the expand pool's threads are made with. */
export interface ExpandData {
  readonly source: RuleSource;
  readonly ownDomains: readonly string[];
  readonly limits: MessageLimits;
}

let compiled: { readonly set: RuleSet; readonly data: ExpandData } | null = null;

/** Reads the message of the entry; never throws for what is in it. */
export async function expand(entry: SpoolEntry): Promise<Expanded> {
  const { set, data } = ready();
  await failpoint('thread.expand');
  return expandBytes(await readWhole(entry.content), entry, { set, data });
}

/** The same for bytes at hand: `check` and `rules test` run it without a pool. */
export function expandBytes(bytes: Uint8Array, entry: SpoolEntry, made: { set: RuleSet; data: ExpandData }): Expanded {
  const message = readMessage(bytes, made.data.limits);
  const matched = made.set.match(message, entryContext(entry, made.data.ownDomains));
  const findings: Finding[] = [
    ...message.problems(),
    ...message.defects().map(defect => hit(defect.symbol, defect.evidence)),
    ...matched.hits,
  ];
  return { findings, facts: matched.facts, summary: summarise(message) };
}

/** Compiled once a thread, at its first message or at the pool's warming. */
function ready(): { set: RuleSet; data: ExpandData } {
  const data: ExpandData = workerData;
  compiled ??= { set: compileRules(data.source), data };
  return compiled;
}

/** What came of reading rule files; BadFile itself would lose its class between threads. */
export interface RulesRead {
  /** null where there are problems. */
  readonly source: RuleSource | null;
  readonly problems: readonly Problem[];
}

/** Reads, checks and tries the rules of these folders, away from the main thread. */
export function readRules(folders: readonly string[]): RulesRead {
  const { source, problems } = lintRules(folders);
  return { source, problems };
}

/** Compiles the rules and runs them once, before mail waits for it. */
export function warm(): void {
  warmRules(ready().set);
}
