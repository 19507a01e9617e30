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
