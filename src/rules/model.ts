// What a set of rules is once it has been read: plain data that can be copied to another thread, and compiled there.
// The language they come from is docs/rules.md.

import type { Effect } from '../mail/finding.ts';

/** Larger sets are refused. The goal is 5,000 rules; beyond that somebody generates them by mistake. */
export const RULES_MAX = 20_000;
export const FILES_MAX = 500;
export const POINTS_MAX = 1000;

export type Sign = '<' | '<=' | '>' | '>=' | '=';

/** One comparison of one value. */
export type Test =
  | { readonly op: 'regex'; readonly source: string; readonly flags: string }
  | { readonly op: 'words'; readonly phrases: readonly string[]; readonly atLeast: number }
  /** Any of these, lower case. */
  | { readonly op: 'equals'; readonly values: readonly string[] }
  /** The domain itself or one below it. */
  | { readonly op: 'under'; readonly domains: readonly string[] }
  | { readonly op: 'own' }
  | { readonly op: 'networks'; readonly networks: readonly string[] }
  | { readonly op: 'compare'; readonly sign: Sign; readonly number: number }
  | { readonly op: 'same-as'; readonly thing: string; readonly field: string }
  | { readonly op: 'yes-no'; readonly value: boolean }
  | { readonly op: 'exists' };

export type Condition =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Condition[] }
  | { readonly kind: 'at-least'; readonly count: number; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** Another rule, or a finding of a scanner. */
  | { readonly kind: 'found'; readonly symbol: string }
  /** One of the values of a target: `subject`, `header X-Mailer`. */
  | { readonly kind: 'value'; readonly target: string; readonly test: Test }
  /** How many values a target has. */
  | { readonly kind: 'count'; readonly target: string; readonly sign: Sign; readonly number: number }
  /** There is a thing (a link, an address) for which this holds. */
  | { readonly kind: 'thing'; readonly thing: string; readonly of: Condition }
  /** Inside of `thing` only: one of its fields. */
  | { readonly kind: 'field'; readonly field: string; readonly test: Test };

export interface Rule {
  readonly symbol: string;
  readonly about: string;
  readonly points: number;
  /** 0 to 1; what the rule's own hits are worth. */
  readonly strength: number;
  readonly effect: Effect | null;
  readonly group: string | null;
  /** null: a scanner states the symbol, the rule gives it points. */
  readonly when: Condition | null;
  readonly isEnabled: boolean;
  readonly file: string;
  readonly line: number;
}

/** Rules of one group together count at most `cap` points, and take away at most `floor`. */
export interface Group {
  readonly name: string;
  readonly cap: number | null;
  readonly floor: number | null;
}

/** A whole set. Plain data; the same digest means the same set. */
export interface RuleSource {
  readonly rules: readonly Rule[];
  readonly groups: readonly Group[];
  /** 12 hex digits. */
  readonly digest: string;
  /** Where they were read, in the order of reading. */
  readonly files: readonly RuleFileRead[];
}

export interface RuleFileRead {
  readonly file: string;
  /** Entries: rules, and changes of rules that stand in an earlier folder. */
  readonly rules: number;
}
