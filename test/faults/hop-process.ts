// The next hop of the fault run, a process of its own: killed, stopped, and told over IPC how to misbehave. What it takes
// is on disk in its journal before it says so, as with a real server; that is one of the four views of the audit.
// Arguments: port, journal.

import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';

import { type Act, type FakeMessage, type Step, startFakeHop } from '../support/fake-hop.ts';
import { KEY_HEADER } from './mail.ts';

/** Modes of the hop: how each step goes. A message is taken only where `takes` says so. */
export type HopMode =
  | 'good'
  | '4yz at RCPT'
  | '4yz at the dot'
  | '5yz at RCPT'
  | '5yz at the dot'
  | 'slow'
  | 'reset in DATA'
  | 'closed at the dot'
  | 'silent after the dot'
  | 'reset after the dot'
  | 'garbage at RCPT'
  | 'garbage after the dot';

/** One message as it was taken. */
export interface Arrival {
  readonly key: string;
  /** Postern's id for it. */
  readonly id: string;
  readonly rcpt: readonly string[];
  /** Of the bytes as the sender made them. */
  readonly sha256: string;
  readonly at: number;
}

const STEPS: Readonly<Record<HopMode, Partial<Record<Step, Act>>>> = {
  good: {},
  '4yz at RCPT': { RCPT: '451 4.3.0 not now' },
  '4yz at the dot': { dot: '451 4.3.0 not now' },
  '5yz at RCPT': { RCPT: '550 5.1.1 not here' },
  '5yz at the dot': { dot: '554 5.7.0 not this' },
  slow: { RCPT: 'drip' },
  'reset in DATA': { body: 'reset' },
  'closed at the dot': { dot: 'close' },
  'silent after the dot': { dot: 'silent' },
  'reset after the dot': { dot: 'reset' },
  'garbage at RCPT': { RCPT: 'garbage' },
  'garbage after the dot': { dot: 'garbage' },
};
const TAKES: ReadonlySet<HopMode> = new Set<HopMode>([
  ...(['good', 'slow', 'silent after the dot', 'reset after the dot', 'garbage after the dot'] as const),
  ...(['4yz at RCPT', '5yz at RCPT', 'garbage at RCPT', 'reset in DATA'] as const),
]);

const [port = '0', journal = ''] = process.argv.slice(2);
let mode: HopMode = 'good';
const hop = await startFakeHop({ port: Number(port), onMessage: taken, on: step => STEPS[mode][step] });
process.on('message', (order: { mode?: HopMode; hangUp?: true }) => {
  mode = order.mode ?? mode;
  if (order.hangUp === true) hop.hangUp();
  process.send?.({ done: true });
});
process.on('disconnect', () => process.exit());
process.send?.({ port: hop.port });

function taken({ rcpt, bytes }: FakeMessage): void {
  if (!TAKES.has(mode)) return;
  const start = bytes.indexOf(`${KEY_HEADER}: `);
  const head = bytes.subarray(0, Math.max(0, start)).toString('latin1');
  const arrival: Arrival = {
    key: /^[\w-]+/.exec(bytes.subarray(start + KEY_HEADER.length + 2, start + 100).toString('latin1'))?.[0] ?? '',
    id: /\bid=([0-9a-z]{18})\b/.exec(head)?.[1] ?? '',
    rcpt: rcpt.map(address => address.replace(/^<|>.*$/g, '')),
    sha256: createHash('sha256')
      .update(bytes.subarray(Math.max(0, start)))
      .digest('hex'),
    at: Date.now(),
  };
  appendFileSync(journal, `${JSON.stringify(arrival)}\n`);
}
