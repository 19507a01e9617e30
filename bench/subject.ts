// Something that is measured: a running mail filter between generator and sink. postern.ts and peers/ make them.

export interface Subject {
  readonly name: string;
  /** What is compared with what, in a few words. */
  readonly kind: string;
  readonly port: number;
  /** Its settings that are not as shipped, a line each. */
  readonly settings: readonly string[];
  /** Its own processes by name, milliseconds of CPU so far. */
  cpu(): Readonly<Record<string, number>>;
  /** By thread, where that can be told. */
  threads?(): Readonly<Record<string, number>>;
  /** Resident bytes now. */
  rss(): number;
  /** How often that may be asked: of a tree of processes it costs. */
  readonly rssEveryMs: number;
  /** Does mail come to the sink? */
  readonly relays: boolean;
  /** What part of the messages it is sent: a slow one would take the whole time of a run. */
  readonly share: number;
  stop(): Promise<void>;
}
