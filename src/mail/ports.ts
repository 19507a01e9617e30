// The ports: how the rooms meet without knowing each other. main.ts puts the real ones in.

import type { Address } from './address.ts';
import type { Disposition } from './disposition.ts';
import type { Envelope, Recipient, ReversePath } from './envelope.ts';
import type { Finding, Report } from './finding.ts';
import type { CopyId, MailId } from './mail-id.ts';
import type { MessageSummary } from './message.ts';
import type { Policy } from './policy.ts';
import type { Direction, Session } from './session.ts';
import type { Verdict } from './verdict.ts';

/** How a part of Postern is. `next` says what to do about it, '' when nothing. */
export interface Health {
  readonly part: string;
  readonly level: 'ok' | 'degraded' | 'down';
  readonly says: string;
  readonly next: string;
}

// ---------------------------------------------------------------- spool

/**
 * The bytes of a message: CRLF line ends, no dot-stuffing, no stamp. In memory while it is small, else in a local file
 * (absolute path). Readable until the entry is removed, and never written into.
 */
export type Content = { readonly bytes: Uint8Array } | { readonly path: string };

/** A whole message in the spool. */
export interface SpoolEntry {
  readonly id: MailId;
  readonly session: Session;
  readonly envelope: Envelope;
  readonly content: Content;
  readonly sizeBytes: number;
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string;
  /** Epoch milliseconds of the dot. */
  readonly receivedAt: number;
}

/** A message that is still coming in. Nothing is fsynced: the sender owns it (I1). */
export interface SpoolDraft {
  /** Waits where the disk is slow. Throws MailError noSpace. */
  write(chunk: Uint8Array): Promise<void>;
  /** The entry can be opened by id from now on. */
  seal(session: Session, envelope: Envelope): Promise<SpoolEntry>;
  /** Removes what was written; may be called at any time, also twice. */
  discard(): Promise<void>;
}

export interface Spool {
  /** Throws MailError noSpace while the disk has less than its reserve. */
  create(id: MailId): Promise<SpoolDraft>;
  /** Throws MailError unknownError where there is none, or its envelope is damaged. */
  open(id: MailId): Promise<SpoolEntry>;
  /** No error where there is none. */
  remove(id: MailId): Promise<void>;
  list(): Promise<readonly MailId[]>;
  health(): Promise<Health>;
}

// ---------------------------------------------------------------- scanning

/** What a scanner gets. It reads the content, and never writes into anything it was given. */
export interface ScanTask {
  readonly entry: SpoolEntry;
  /** null where the message could not be read on its thread. */
  readonly summary: MessageSummary | null;
}

export interface Scanner {
  readonly name: string;
  /**
   * Facts about one message. Never rejects: what fails becomes `unavailable` or `unscannable`. Ends soon after the
   * signal, its sockets closed.
   */
  scan(task: ScanTask, signal: AbortSignal): Promise<readonly Finding[]>;
  health(): Promise<Health>;
  close(): Promise<void>;
}

/** What formulas of the rules need to know of the message; made by src/rules on the thread, read by it in `Combine`. */
export interface RuleFacts {
  /** The set of rules that made them. */
  readonly digest: string;
  /** Conditions that hold, by their number in the set, with their evidence. */
  readonly holds: readonly (readonly [number, string])[];
}

/** What the expand thread found: the rules' hits and what the others need to know of the message. */
export interface Expanded {
  readonly findings: readonly Finding[];
  readonly summary: MessageSummary | null;
  readonly facts?: RuleFacts;
}

/** First phase, on a thread that can be killed: reads the message and matches the rules' expressions. */
export interface Expander {
  /** Rejects with the abort reason when the thread had to be killed. */
  expand(entry: SpoolEntry, signal: AbortSignal): Promise<Expanded>;
  health(): Promise<Health>;
  close(): Promise<void>;
}

/** What each scanner found and how long it took, before the rules have combined it. */
export interface ScanRun {
  readonly scanner: string;
  readonly ms: number;
  readonly findings: readonly Finding[];
  /** Of the run of the expander, where its thread gave any. */
  readonly facts?: RuleFacts;
}

/** Last phase, pure: formulas over all findings, points, effects, caps. */
export type Combine = (entry: SpoolEntry, runs: readonly ScanRun[], summary: MessageSummary | null) => Report;

export interface ScanService {
  /** null when mail can be scanned now, else why not: MAIL gets 451 at once. */
  notReady(): 'queue away' | 'busy' | null;
  /**
   * The report; throws MailError notReady, busy or deferred. Never later than `deadline` (epoch milliseconds), and
   * earlier when `signal` says that nobody waits any more.
   */
  scan(entry: SpoolEntry, deadline: number, signal?: AbortSignal): Promise<Report>;
  health(): Promise<Health>;
  close(): Promise<void>;
}

// ---------------------------------------------------------------- next hop

/** What the other server said, word by word. */
export interface HopReply {
  readonly code: number;
  /** `5.1.1`, null where it gave none. */
  readonly enhanced: string | null;
  /** All lines without code and enhanced status, joined by a space, control characters removed, at most 500 chars. */
  readonly text: string;
}

export interface HopCapabilities {
  /** SIZE of its EHLO, null where it states no limit. */
  readonly sizeBytes: number | null;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
}

/**
 * One transaction with the next hop. Commands in order: mail, rcpt…, data; `release` in any case. Between commands it may
 * give its connection to others for a while, and say what was accepted again on the one it takes then.
 */
export interface HopTransaction {
  /** `smtp://10.0.0.5:25`, or `smtp://10.0.0.5:25 (TLSv1.3)`: the host of those named that answered, and how. */
  readonly host: string;
  readonly capabilities: HopCapabilities;
  /** `first` is the recipient that will be named next, in any case: both may go out in one packet. */
  mail(
    from: ReversePath,
    envelope: Pick<Envelope, 'smtpUtf8' | 'body' | 'declaredSize'>,
    first?: Recipient,
  ): Promise<HopReply>;
  rcpt(recipient: Recipient): Promise<HopReply>;
  /**
   * Sends the message, dots stuffed here, and waits for the reply to the dot. A connection that died while waiting is
   * opened again and the transaction repeated, as long as no byte of the message was sent.
   * Throws HopLost; a source that throws ends the connection without the dot (the client has gone: nothing passed on).
   * `signal` counts up to the dot; the reply to it is not waited for beyond `replyBy`, epoch milliseconds.
   */
  data(body: AsyncIterable<Uint8Array>, signal: AbortSignal, replyBy?: number): Promise<HopReply>;
  /** Gives the connection back to its pool, or closes it where its state is not known. */
  release(): void;
}

export interface NextHop {
  /** As in the settings. */
  readonly name: string;
  /** LMTP answers for each recipient after the dot: one recipient a transaction. */
  readonly oneRecipient: boolean;
  /** As last seen; null before the first contact. */
  capabilities(): HopCapabilities | null;
  /** Connects (or takes from the pool), trying the hosts in turn. Throws MailError hopUnreachable. */
  open(signal: AbortSignal): Promise<HopTransaction>;
  /** Connects and asks for capabilities. */
  health(): Promise<Health>;
  close(): Promise<void>;
}

/** Where a recipient's mail goes and by whose rules it is judged. Two recipients with other routes never share a verdict. */
export interface Route {
  readonly policy: Policy;
  readonly hop: NextHop;
}

/** null: we do not relay to it (I6). */
export type Router = (direction: Direction, recipient: Address) => Route | null;

// ---------------------------------------------------------------- the record

export interface CopyRecord {
  readonly copyId: CopyId;
  readonly recipient: Recipient;
  readonly disposition: Disposition;
}

/** One transaction as the books keep it. Also those that ended before DATA have one: entry and report are null. */
export interface LedgerRecord {
  readonly id: MailId;
  readonly session: Session;
  readonly mailFrom: ReversePath;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly entry: SpoolEntry | null;
  readonly report: Report | null;
  readonly verdict: Verdict | null;
  /** Name of the next hop, '' where none was chosen. */
  readonly nextHop: string;
  /** Our reply to the client, literally. */
  readonly reply: string;
  readonly copies: readonly CopyRecord[];
  /** Milliseconds by step: data, scan, relay, hold. */
  readonly ms: Readonly<Record<string, number>>;
  /** What else is to be remembered: `sent again after 01k...-1 had ended unknown`. */
  readonly notes?: readonly string[];
}

export interface Ledger {
  /** null when mail can be recorded now, else what a sender hears: nothing is taken that cannot be recorded (I4). */
  notReady(): 'noSpace' | 'notReady' | null;
  /** Resolves when the rows are committed. */
  record(record: LedgerRecord): Promise<void>;
  /** For what has happened and was not recorded, because of `error`: written as soon as the database can. */
  recordLater(record: LedgerRecord, error: unknown): void;
  /** An earlier message of the same bytes and envelope whose relay ended `unknown`, within two days; else null. */
  unknownBefore(entry: SpoolEntry): Promise<MailId | null>;
}

export interface Quarantine {
  /**
   * Takes the message over: bytes and envelope fsynced, rows committed (I1), then resolves. On any error nothing is
   * held. `stamp` is the header block that goes on top when it is released.
   */
  hold(record: LedgerRecord & { readonly entry: SpoolEntry }, stamp: string): Promise<void>;
}

/** The keyed marks of released copies: one that comes back to us is not filtered again. */
export interface ReleaseMarks {
  /**
   * A genuine mark of exactly this recipient and this content, for this delivery alone until it is settled. null for any
   * other: used, claimed by another delivery, forged, or on other content.
   */
  claim(mark: string, entry: SpoolEntry): Promise<MarkClaim | null>;
}

export interface MarkClaim {
  /** In any case, at the end: only a copy that was passed on uses its mark up. The first call counts. */
  settle(isRelayed: boolean): Promise<void>;
}
