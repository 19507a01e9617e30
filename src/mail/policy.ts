// The administrator's choices for a recipient. Policies are data; `decide` reads them.

/** What may become of a message, mildest first. */
export type Outcome = 'accept' | 'tag' | 'quarantine' | 'discard' | 'defer' | 'reject';

export interface Thresholds {
  /** Points from which the headers say spam. */
  readonly tag: number;
  /** Points from which the message is held. */
  readonly quarantine: number;
  /** Points from which the message is refused. */
  readonly reject: number;
}

export interface Policy {
  readonly name: string;
  readonly thresholds: Thresholds;
  readonly malware: 'quarantine' | 'reject' | 'discard';
  readonly unscannable: 'accept' | 'tag' | 'quarantine' | 'reject';
  /** By scanner name; `*` is the choice for scanners without an entry of their own. */
  readonly unavailable: Readonly<Record<string, 'accept' | 'tag' | 'quarantine' | 'defer'>>;
}

/** Points beyond which no score gets. */
const NEVER = 1_000_000;

/**
 * The policy for postmaster@ and abuse@, who are always heard (RFC 5321 4.5.1, RFC 2142): a score may tag their mail,
 * but never hold or refuse it. Malware is treated as elsewhere.
 */
export function alwaysHeard(policy: Policy): Policy {
  const thresholds = { tag: policy.thresholds.tag, quarantine: NEVER, reject: NEVER };
  return { ...policy, name: `${policy.name}/postmaster`, thresholds };
}
