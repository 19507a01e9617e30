// One version of what judges mail: rules on their threads, scanners, and the formulas that bring all together. A reload
// builds a whole new version beside the old one; a message is judged by one from its first phase to its last (I9).

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Settings } from '../config/settings.ts';
import type { Scanner } from '../mail/ports.ts';
import { DEFAULT_LIMITS, type MessageLimits } from '../message/limits.ts';
import type { JudgeParts } from '../pipeline/judge.ts';
import { compileRules, type RuleSet } from '../rules/compile.ts';
import { loadRules } from '../rules/load.ts';
import type { RuleSource } from '../rules/model.ts';
import { createCombine } from '../rules/report.ts';
import { createExpander } from './expander.ts';

/** Threads that read messages: one a core, and never so many that their heaps fill the memory. */
export const EXPAND_THREADS = Math.min(8, availableParallelism());

export interface JudgeVersion extends JudgeParts {
  readonly rules: RuleSet;
}

/** Rule folders of the settings that are there; the site's default folder need not be. */
export function ruleFolders(settings: Settings): string[] {
  return settings.scanners.rules.folders
    .filter(folder => !folder.mayBeMissing || existsSync(folder.path))
    .map(folder => folder.path);
}

/** Throws BadFile with all that is wrong with the rules; nothing has been started then. */
export function readRules(settings: Settings): RuleSource {
  return loadRules(ruleFolders(settings));
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
