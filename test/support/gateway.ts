// A gateway for tests of the SMTP dialogue alone: the real listener, connection, intake and act, with the rooms behind
// its ports played by small pieces that a test can steer. End-to-end tests use the real ones.

import { createHash } from 'node:crypto';
import type { Counted, GatewayPorts, GatewayRules } from '../../src/gateway/gateway.ts';
import { Listener, type ListenerOptions } from '../../src/gateway/smtp/listener.ts';
import { Room } from '../../src/gateway/smtp/room.ts';
import type { Address } from '../../src/mail/address.ts';
import type { State } from '../../src/mail/disposition.ts';
import type { Envelope } from '../../src/mail/envelope.ts';
import { HopLost, MailError } from '../../src/mail/error.ts';
import type { Report } from '../../src/mail/finding.ts';
import { hit } from '../../src/mail/finding.ts';
import type { MailId } from '../../src/mail/mail-id.ts';
import type { Policy } from '../../src/mail/policy.ts';
import type {
  HopCapabilities,
  HopReply,
  HopTransaction,
  LedgerRecord,
  NextHop,
  SpoolEntry,
} from '../../src/mail/ports.ts';
import type { Session } from '../../src/mail/session.ts';
import { readWhole } from '../../src/platform/content.ts';
import { orAborted } from '../../src/platform/deadline.ts';
import { type Log, silentLog } from '../../src/platform/log.ts';
import { ConnectionCounter, type ConnectionLimits } from '../../src/reputation/rates.ts';

/** Where the gateway waits for another room: what a test can hold up there. */
export const PLACES = [
  'open',
  'mail',
  'rcpt',
  'create',
  'write',
  'seal',
  'scan',
  'unknownBefore',
  'hold',
  'record',
  'DATA',
] as const;
export type Place = (typeof PLACES)[number];

/** What a test may change at any time. */
export interface Steering {
  /** Waited for at each place. */
  at: (place: Place) => Promise<void>;
  /** Does the spool keep what is written? Not for measuring memory. */
  keepsBytes: boolean;
  /** Points of every message; 8 is quarantine, 15 is reject. */
  score: number;
  notReady: 'queue away' | 'busy' | null;
  /** Replies of the next hop by command: 'MAIL', 'RCPT a@b', 'DATA' (to the dot). */
  readonly hopSays: Map<string, HopReply>;
  /** The next hop cannot be reached, or falls silent after the dot. */
  hopTrouble: 'down' | 'silent after the dot' | null;
  capabilities: HopCapabilities;
  /** Of the connection that a transaction gets, where that is another host; else `capabilities`. */
  opened: HopCapabilities | null;
  scan: ((entry: SpoolEntry) => Promise<Report>) | null;
  /** Hears the deadline of each scan, epoch milliseconds. */
  scanUntil: (deadline: number) => void;
  /** Addresses that the rate limit refuses a message. */
  mayNot: 'message' | 'connection' | null;
  /** Of every client; DNS may be slow. */
  nameOf: () => Promise<string | null>;
  oneRecipient: boolean;
  spoolFull: boolean;
  holdFails: boolean;
  recordFails: boolean;
  ledgerNotReady: 'noSpace' | 'notReady' | null;
  /** Hears each line of the log at info and above. */
  logged: (line: LogLine) => void;
}

export interface LogLine {
  readonly message: string;
  readonly fields: object;
}

export interface Delivered {
  readonly mailFrom: string;
  readonly rcptTo: readonly string[];
  /** Stamp and content as the next hop got them. */
  readonly bytes: Buffer;
}

export interface TestGateway {
  readonly port: number;
  readonly steering: Steering;
  readonly delivered: Delivered[];
  readonly records: LedgerRecord[];
  /** What could not be recorded at its time. */
  readonly recordedLater: LedgerRecord[];
  readonly held: LedgerRecord[];
  readonly counted: Counted[];
  /** What became of each recipient, as the metrics hear it. */
  readonly recipients: State[];
  /** Reason and address of each. */
  readonly turnedAway: string[];
  /** As the limits count them. */
  openConnections(): number;
  readonly listener: Listener;
  /** Spool entries that nobody removed. */
  readonly spooled: Map<string, Buffer>;
  /** Next-hop transactions that were opened and not given back; below zero where one was given back twice. */
  openHops(): number;
  /** What was asked of a next-hop transaction that had been given back. */
  readonly misused: string[];
  stop(): Promise<void>;
}

export const TEST_POLICY: Policy = {
  name: 'default',
  thresholds: { tag: 5, quarantine: 8, reject: 15 },
  malware: 'quarantine',
  unscannable: 'quarantine',
  unavailable: { clamav: 'defer', '*': 'accept' },
};

export const TEST_RULES: GatewayRules = {
  guard: {
    messageBytes: 1024 * 1024,
    receivedHeaders: 50,
    ownReceived: 3,
    bareNewlines: 'normalize',
    hostname: 'mx.example.org',
  },
  intake: { dataMs: 60_000, minimumRate: 0, rateWindowMs: 60_000, drainBytes: 8 * 1024 * 1024 },
  recipients: 100,
  messagesPerConnection: 100,
  scanMs: 10_000,
  replyMs: 60_000,
  greetMs: 0,
  commandMs: 60_000,
  connectionMs: 600_000,
  roomAfterMs: 60_000,
  passHopText: false,
};

/** For two listeners that share one limit. */
export interface SharedPlaces {
  readonly counter: ConnectionCounter;
  readonly room: Room;
}

/** Takes mail for example.org (policy default) and strict.example (policy strict); everything else is relaying. */
export async function startTestGateway(
  rules: Partial<GatewayRules> = {},
  options: Partial<ListenerOptions & ConnectionLimits & SharedPlaces> = {},
): Promise<TestGateway> {
  const steering: Steering = {
    at: async () => undefined,
    keepsBytes: true,
    score: 0,
    notReady: null,
    hopSays: new Map(),
    hopTrouble: null,
    capabilities: { sizeBytes: null, eightBitMime: true, smtpUtf8: true },
    opened: null,
    scanUntil: () => undefined,
    scan: null,
    mayNot: null,
    nameOf: async () => null,
    oneRecipient: false,
    spoolFull: false,
    holdFails: false,
    recordFails: false,
    ledgerNotReady: null,
    logged: () => undefined,
  };
  const delivered: Delivered[] = [];
  const records: LedgerRecord[] = [];
  const recordedLater: LedgerRecord[] = [];
  const held: LedgerRecord[] = [];
  const counted: Counted[] = [];
  const recipients: State[] = [];
  const turnedAway: string[] = [];
  const spooled = new Map<string, Buffer>();
  const hops = { open: 0, misused: [] };
  const own = new ConnectionCounter({
    perClient: options.perClient ?? 2,
    total: options.total ?? 4,
    ...(options.reserved === undefined ? {} : { reserved: options.reserved }),
  });
  const counter = options.counter ?? own;
  const hop = testHop(steering, delivered, hops);
  const isDomain = (address: Address) => ['example.org', 'strict.example', ''].includes(address.domain);
  const ports: GatewayPorts = {
    route: (direction, address) => {
      if (direction === 'incoming' && !isDomain(address)) return null;
      const name = address.domain === 'strict.example' ? 'strict' : 'default';
      return { policy: { ...TEST_POLICY, name }, hop };
    },
    spool: {
      create: async id => {
        await steering.at('create');
        return testDraft(id, spooled, steering);
      },
    },
    scan: {
      notReady: () => steering.notReady,
      scan: async (entry, deadline) => {
        steering.scanUntil(deadline);
        await steering.at('scan');
        return steering.scan === null ? scored(entry.id, steering.score) : steering.scan(entry);
      },
    },
    quarantine: {
      hold: async record => {
        await steering.at('hold');
        if (steering.holdFails) throw new MailError('noSpace', 'the test says the disk is full');
        held.push(record);
      },
    },
    ledger: {
      notReady: () => steering.ledgerNotReady,
      recordLater: record => void recordedLater.push(record),
      record: async record => {
        await steering.at('record');
        if (steering.recordFails) throw new MailError('noSpace', 'the test says the database is full');
        records.push(record);
      },
      unknownBefore: async () => {
        await steering.at('unknownBefore');
        return null;
      },
    },
    marks: { claim: async () => null },
    deliverable: async function* (content, stamp) {
      yield Buffer.from(stamp);
      yield await readWhole(content);
    },
    hopCapabilities: () => steering.capabilities,
    enter: (address, direction) => counter.enter(address, direction === 'outgoing'),
    room: options.room ?? new Room(),
    turnedAway: (reason, address) => void turnedAway.push(`${reason} ${address}`),
    allows: async what => steering.mayNot !== what,
    nameOf: () => steering.nameOf(),
    counted: message => void counted.push(message),
    countedRecipients: states => void recipients.push(...states),
    log: heardLog(steering),
  };
  const defaults: ListenerOptions = {
    name: 'public',
    host: '127.0.0.1',
    port: 0,
    trusted: false,
    networks: [],
    tls: null,
  };
  const listener = new Listener({ ...defaults, ...options }, ports, { ...TEST_RULES, ...rules });
  const port = await listener.start();
  const stop = () => listener.stop(200);
  const openHops = () => hops.open;
  return {
    port,
    steering,
    delivered,
    records,
    recordedLater,
    held,
    counted,
    recipients,
    turnedAway,
    openConnections: () => counter.total,
    listener,
    spooled,
    openHops,
    misused: hops.misused,
    stop,
  };
}

function heardLog(steering: Steering): Log {
  const log = (fields: object, message: string) => steering.logged({ message, fields });
  return { ...silentLog(), info: log, warn: log, error: log };
}

export function scored(id: MailId, score: number): Report {
  const findings = score === 0 ? [] : [{ ...hit('TEST_SCORE'), scanner: 'test', points: score, effect: null }];
  return { version: 1, id, findings, score, ms: { test: 1 }, rulesDigest: '000000000000', summary: null };
}

function testDraft(id: MailId, spooled: Map<string, Buffer>, steering: Steering) {
  if (steering.spoolFull) throw new MailError('noSpace', 'the test says the disk is full');
  const chunks: Uint8Array[] = [];
  spooled.set(id, Buffer.alloc(0));
  return {
    write: async (chunk: Uint8Array) => {
      await steering.at('write');
      if (steering.keepsBytes) chunks.push(Buffer.from(chunk));
    },
    seal: async (session: Session, envelope: Envelope): Promise<SpoolEntry> => {
      await steering.at('seal');
      const bytes = Buffer.concat(chunks);
      spooled.set(id, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { id, session, envelope, content: { bytes }, sizeBytes: bytes.length, sha256, receivedAt: Date.now() };
    },
    discard: async () => void spooled.delete(id),
  };
}

function testHop(
  steering: Steering,
  delivered: Delivered[],
  hops: { open: number; readonly misused: string[] },
): NextHop {
  const ok: HopReply = { code: 250, enhanced: '2.0.0', text: 'Ok' };
  const says = (command: string) => steering.hopSays.get(command) ?? ok;
  return {
    name: 'test',
    get oneRecipient() {
      return steering.oneRecipient;
    },
    capabilities: () => steering.capabilities,
    open: async () => {
      await steering.at('open');
      if (steering.hopTrouble === 'down') throw new MailError('hopUnreachable', 'the test says the hop is down');
      hops.open++;
      let mailFrom = '';
      const rcptTo: string[] = [];
      let isReleased = false;
      const enter = async (place: Place) => {
        if (isReleased) hops.misused.push(place);
        await steering.at(place);
      };
      const transaction: HopTransaction = {
        host: 'smtp://test:25',
        capabilities: steering.opened ?? steering.capabilities,
        mail: async from => {
          await enter('mail');
          mailFrom = from.address?.text ?? '';
          return says('MAIL');
        },
        rcpt: async recipient => {
          await enter('rcpt');
          const said = says(`RCPT ${recipient.address.text}`);
          if (said.code === 250) rcptTo.push(recipient.address.text);
          return said;
        },
        data: async (body, signal) => {
          await orAborted(signal, enter('DATA'));
          const chunks: Uint8Array[] = [];
          for await (const chunk of body) chunks.push(chunk);
          if (steering.hopTrouble === 'silent after the dot') throw new HopLost(true, 'silent');
          const said = says('DATA');
          if (said.code === 250) delivered.push({ mailFrom, rcptTo, bytes: Buffer.concat(chunks) });
          return said;
        },
        release: () => {
          isReleased = true;
          hops.open--;
        },
      };
      return transaction;
    },
    health: async () => ({ part: 'test', level: 'ok', says: '', next: '' }),
    close: async () => undefined,
  };
}
