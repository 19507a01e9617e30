// What the gateway gets: its ports, from the parts that are running, and its rules, from the settings.

import type { Settings } from '../config/settings.ts';
import type { GatewayPorts, GatewayRules } from '../gateway/gateway.ts';
import { Room } from '../gateway/smtp/room.ts';
import { deliverable } from '../mail/forged.ts';
import type { ScanService } from '../mail/ports.ts';
import { readPieces } from '../platform/content.ts';
import type { Resolver } from '../platform/dns.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import { clientsMax, openFilesMax } from '../platform/open-files.ts';
import { confirmedName } from '../reputation/client-name.ts';
import { ConnectionCounter, type Rates } from '../reputation/rates.ts';
import { type Activity, watchedHold, watchedLedger } from './activity.ts';
import type { Records } from './records.ts';
import type { Routes } from './router.ts';
import { turnedAwayCounter } from './turned-away.ts';

export interface GatewayParts {
  readonly settings: Settings;
  readonly records: Records;
  readonly routes: Routes;
  readonly scan: ScanService;
  readonly rates: Rates;
  readonly counter: ConnectionCounter;
  readonly resolver: Resolver;
  /** Made once. */
  readonly counters: GatewayCounters;
  readonly activity: Activity;
  readonly log: Log;
}

export function gatewayPorts(parts: GatewayParts): GatewayPorts {
  const { records, routes, scan, rates, counter, activity, log, settings } = parts;
  return {
    route: routes.route,
    spool: records.spool,
    scan,
    quarantine: watchedHold(records.quarantine, activity),
    ledger: watchedLedger(records.ledger, activity),
    marks: records.quarantine.marks,
    deliverable: (content, stamp) => deliverable(readPieces(content), stamp, settings.hostname),
    hopCapabilities: direction => routes.capabilities(direction),
    enter: (address, direction) => counter.enter(address, direction === 'outgoing'),
    // What goes out comes from our own networks, which the settings name.
    allows: async (what, address, direction) => direction === 'outgoing' || rates.allow(what, address),
    nameOf: address => confirmedName(parts.resolver, address),
    counted: parts.counters.message,
    countedRecipients: parts.counters.recipients,
    turnedAway: parts.counters.turnedAway,
    room: parts.counters.room,
    log,
  };
}

/** The connections of this process, within the limits of the settings and of what the system lets it open. */
export function counterOf({ limits, listeners }: Settings, log: Log): ConnectionCounter {
  const files = openFilesMax();
  const total = Math.min(limits.connections, clientsMax(files));
  if (total < limits.connections) {
    const next = 'raise the limit of open files (ulimit -Hn, LimitNOFILE of systemd), or lower limits.connections';
    log.warn({ connections: limits.connections, used: total, openFiles: files, next }, 'too few open files allowed');
  }
  // Our own users can send while the world besieges us.
  const reserved = listeners.some(listener => listener.trusted) ? Math.floor(total * TRUSTED_SHARE) : 0;
  return new ConnectionCounter({ perClient: limits.connectionsPerAddress, total, reserved });
}

export function gatewayRules({ limits, timeouts, hostname, bareNewlines, nextHopText }: Settings): GatewayRules {
  return {
    guard: {
      messageBytes: limits.messageSize,
      receivedHeaders: limits.receivedHeaders,
      ownReceived: OWN_RECEIVED_MAX,
      bareNewlines,
      hostname,
    },
    intake: {
      dataMs: timeouts.data,
      minimumRate: limits.minimumRate,
      rateWindowMs: RATE_WINDOW_MS,
      drainBytes: limits.messageSize,
    },
    recipients: limits.recipients,
    messagesPerConnection: limits.messagesPerConnection,
    scanMs: timeouts.scan,
    replyMs: REPLY_MS,
    greetMs: timeouts.greeting,
    commandMs: timeouts.command,
    connectionMs: timeouts.connection,
    roomAfterMs: ROOM_AFTER_MS,
    passHopText: nextHopText === 'show',
  };
}

/** Of the connections, for trusted listeners alone. */
const TRUSTED_SHARE = 0.1;
/** Longer than a mail server on the other side of the world needs for its next command: it takes its time unpunished. */
const ROOM_AFTER_MS = 1000;
/** A sender waits ten minutes for the reply to its dot, then sends again (RFC 5321 4.5.3.2.6): two copies. */
const REPLY_MS = 570_000;
/** In, out through the trusted listener, and back in by a forwarding elsewhere: three times may be honest. */
const OWN_RECEIVED_MAX = 3;
/** A pause of a minute is not yet a drip. */
const RATE_WINDOW_MS = 60_000;

/** What the gateway counts. */
export interface GatewayCounters {
  readonly message: GatewayPorts['counted'];
  readonly recipients: GatewayPorts['countedRecipients'];
  readonly turnedAway: GatewayPorts['turnedAway'];
  /** Of all listeners, for they share one limit. */
  readonly room: Room;
}

/** Once for each `metrics`. */
export function gatewayCounters(metrics: Metrics, log: Log): GatewayCounters {
  return {
    message: messageCounter(metrics),
    recipients: recipientCounter(metrics),
    turnedAway: turnedAwayCounter(metrics, log),
    room: new Room(),
  };
}

/** Counts recipients, also of transactions that brought no message. Once for each `metrics`. */
export function recipientCounter(metrics: Metrics): GatewayPorts['countedRecipients'] {
  const help = 'Recipients named, by what became of them; refused and deferred ones also where no message came';
  const recipients = metrics.counter('recipients_total', help, ['state']);
  return states => {
    for (const state of states) recipients.add({ state });
  };
}

/** Counts messages, their bytes, and the time of steps and scanners. Once for each `metrics`. */
export function messageCounter(metrics: Metrics): GatewayPorts['counted'] {
  const messages = metrics.counter('messages_total', 'Messages by verdict and by what became of them', [
    'outcome',
    'state',
  ]);
  const size = metrics.counter('message_bytes_total', 'Bytes of all messages');
  const steps = metrics.seconds('step_seconds', 'Time of one message by step: data, scan, act', ['step']);
  const scanners = metrics.seconds('scanner_seconds', 'Time of one message by scanner', ['scanner']);
  const silent = metrics.counter('scanner_unavailable_total', 'Messages that a scanner gave no answer for', [
    'scanner',
  ]);
  return ({ outcome, state, bytes, report, ms }) => {
    messages.add({ outcome, state });
    size.add({}, bytes);
    for (const [step, took] of Object.entries(ms)) steps.observe(took, { step });
    for (const [scanner, took] of Object.entries(report?.ms ?? {})) scanners.observe(took, { scanner });
    for (const finding of report?.findings ?? []) {
      if (finding.kind === 'unavailable') silent.add({ scanner: finding.scanner });
    }
  };
}
