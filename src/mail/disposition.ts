// What really became of a recipient's copy (I4).

/**
 * relayed: the next hop said 250. held: in quarantine, ours. releasing: on its way out of quarantine; whoever finds
 * it so after a crash does not know whether the next hop took it. released: the next hop said 250 to a release.
 * deleted: an administrator removed it from quarantine. discarded: a named rule or choice of the administrator.
 * refused: 5yz, the sender owns it. deferred: 4yz, the sender owns it. unknown: the next hop went silent after the
 * dot and the sender got 451. abandoned: the client had gone before anybody took the message.
 */
export type State =
  | 'relayed'
  | 'held'
  | 'releasing'
  | 'released'
  | 'deleted'
  | 'discarded'
  | 'refused'
  | 'deferred'
  | 'unknown'
  | 'abandoned';

export interface Disposition {
  readonly state: State;
  /** Literal words: the next hop's reply, or ours to the client. */
  readonly words: string;
  /** The host that said them; '' where it was us. */
  readonly host: string;
}
