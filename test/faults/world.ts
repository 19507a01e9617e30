// Everything the fault run starts: Postern, the next hop, the virus scanner, the name server, senders and a person; and how
// all of it is made well again.

import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { type Chance, chanceOf } from '../support/chance.ts';
import type { ClamdMode } from '../support/fake-clamd.ts';
import { Daemon } from './daemon.ts';
import { DnsGate } from './dns-gate.ts';
import { Gateway } from './gateway.ts';
import type { Arrival, HopMode } from './hop-process.ts';
import { Person } from './person.ts';
import { SmallDisk } from './small-disk.ts';

const ZONE = [
  'sender.example. 60 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"',
  'sender.example. 60 IN MX 10 mx.sender.example.',
  '2.0.0.127.list.example. 60 IN A 127.0.0.2',
];

export class World {
  readonly folder: string;
  readonly chance: Chance;
  readonly gateway: Gateway;
  readonly hop: Daemon<{ mode?: HopMode; hangUp?: true }>;
  readonly clamd = new Daemon<{ mode: ClamdMode }>('./clamd-process.ts');
  readonly dns = new DnsGate(ZONE);
  readonly person: Person;
  /** null where Postern's data is on a disk of others. */
  disk: SmallDisk | null = null;
  #journalAt = 0;

  constructor(folder: string, seed: number) {
    this.folder = folder;
    this.chance = chanceOf(seed);
    this.gateway = new Gateway(folder);
    this.hop = new Daemon('./hop-process.ts', join(folder, 'hop.jsonl'));
    // A chance of its own, or the moments of releases would choose the faults.
    this.person = new Person(this.gateway.data, chanceOf(seed + 1));
  }

  async start(): Promise<void> {
    this.disk = SmallDisk.mount(this.gateway.data);
    await Promise.all([this.hop.start(), this.clamd.start(), this.dns.start()]);
    await this.gateway.start(this.#settings());
    await this.well(60_000);
  }

  /** Every fault ends. Nothing is repaired: whoever was killed is started again, as a service manager does. */
  async heal(): Promise<void> {
    this.gateway.disarmAll();
    this.disk?.free();
    this.gateway.signal('SIGCONT');
    this.hop.signal('SIGCONT');
    this.clamd.signal('SIGCONT');
    this.dns.signalServer('SIGCONT');
    this.dns.mode = 'open';
    await Promise.all([
      this.dns.startServer(),
      this.hop.tell({ mode: 'good', hangUp: true }),
      this.clamd.tell({ mode: 'honest' }),
    ]);
    await this.gateway.ready();
  }

  /** Until health says so by itself; a part that only tells of the past may be `degraded`. Throws with what is not well. */
  async well(withinMs: number): Promise<void> {
    const until = Date.now() + withinMs;
    for (;;) {
      const health = await this.gateway.health();
      const ill = health?.parts.filter(part => part.level === 'down') ?? [];
      if (health?.ok === true && ill.length === 0) return;
      if (Date.now() > until) throw new Error(`not well again within ${withinMs} ms: ${JSON.stringify(health)}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  /** What the next hop has taken since the last call. */
  arrivals(): readonly Arrival[] {
    const path = join(this.folder, 'hop.jsonl');
    if (!existsSync(path)) return [];
    const { size } = statSync(path);
    const bytes = Buffer.alloc(size - this.#journalAt);
    const file = openSync(path, 'r');
    readSync(file, bytes, 0, bytes.length, this.#journalAt);
    closeSync(file);
    this.#journalAt = size;
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .filter(line => line !== '');
    return lines.map(line => JSON.parse(line) as Arrival);
  }

  /** Ends whatever still runs; never rejects. `isKept`: somebody will look at what is left. */
  async end(isKept: boolean): Promise<void> {
    await this.person.finish();
    await this.gateway.end();
    await Promise.allSettled([this.hop.kill(), this.clamd.kill(), this.dns.stop()]);
    this.disk?.end(isKept ? `${this.gateway.data}-kept` : null);
  }

  #settings(): readonly string[] {
    const hop = `{hosts: ["smtp://127.0.0.1:${this.hop.port}"], timeouts: {connect: 5s, reply: 5s, afterDot: 20s}}`;
    return [
      `domains:`,
      `  careful.example: {nextHop: ${hop}, policy: careful}`,
      `  strict.example: {nextHop: ${hop}, policy: strict}`,
      `  bin.example: {nextHop: ${hop}, policy: bin}`,
      `policies:`,
      `  careful: {thresholds: {reject: never}}`,
      `  strict: {malware: reject, unavailable: {clamav: quarantine}}`,
      `  bin: {malware: discard}`,
      `diskReserve: 0B`,
      `dns: {servers: ["${this.dns.server}"], timeout: 1s}`,
      `limits: {connectionsPerMinutePerAddress: 0, messagesPerHourPerAddress: 0}`,
      `timeouts: {scan: 10s}`,
      `scanners:`,
      `  clamav: {address: "127.0.0.1:${this.clamd.port}", deadline: 5s}`,
      `  senderAuth: {deadline: 4s}`,
      `  dnsLists: {deadline: 2s, lists: [{zone: list.example, kind: ip, codes: {127.0.0.2: DNSBL_LIST}}]}`,
    ];
  }
}
