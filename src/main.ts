// The process: where the parts meet. Starts them in the order in which they need each other, stops them the other way
// round, and puts a new version of settings and rules in the place of the old one as a whole (I9).

import { Activity } from './assembly/activity.ts';
import { clientRates } from './assembly/client-rates.ts';
import { CONTROL_SOCKET, controlRoutes, NotStarted, type Status } from './assembly/control.ts';
import { type Daemons, startDaemons } from './assembly/daemons.ts';
import { counterOf, type GatewayCounters, gatewayCounters, gatewayPorts, gatewayRules } from './assembly/gateway.ts';
import {
  HealthCache,
  type HealthReport,
  healthOfAll,
  healthRoutes,
  type ReloadTrouble,
  reloadTroubleOf,
} from './assembly/health.ts';
import { askHops, keepAsking } from './assembly/hop-probe.ts';
import { certificateOf, claimFolder, newGreetingWord } from './assembly/identity.ts';
import { checkFree, httpNamed, listenerNamed, whyNotListening } from './assembly/listening.ts';
import { openRecords, type Records } from './assembly/records.ts';
import { deliverBy } from './assembly/release.ts';
import { type Reloaded, reloadedOf, reloadLine, silentHops } from './assembly/reloaded.ts';
import { closeAll, Retired } from './assembly/retired.ts';
import { createRoutes, type Routes } from './assembly/router.ts';
import { createScanQueue, untilReady } from './assembly/scan-queue.ts';
import { createScanners } from './assembly/scanners.ts';
import { createJudgeVersion, type JudgeVersion, readRulesAside } from './assembly/scanning.ts';
import { CpuMeter, LOOKED_ON_MS, type TopSample, topSample } from './assembly/top.ts';
import { waitingIn } from './assembly/waiting.ts';
import { compareSettings } from './config/compare.ts';
import { maskedSettings } from './config/mask.ts';
import type { Settings } from './config/settings.ts';
import { Listener, type ListenerOptions } from './gateway/smtp/listener.ts';
import type { Scanner } from './mail/ports.ts';
import type { Pipeline } from './pipeline/pipeline.ts';
import type { Certificate } from './platform/certificate.ts';
import { withDeadline } from './platform/deadline.ts';
import { CachedResolver } from './platform/dns.ts';
import { createHttpServer, type HttpServer } from './platform/http.ts';
import { errorText, type Log } from './platform/log.ts';
import { createMetrics, type Metrics } from './platform/metrics.ts';
import { socketPath } from './platform/unix-socket.ts';
import type { ConnectionCounter, Rates } from './reputation/rates.ts';
import { VERSION } from './version.ts';

export interface PosternOptions {
  readonly settings: Settings;
  /** Reads the settings again, for reload. Throws BadFile. */
  readonly readSettings: () => Settings;
  readonly log: Log;
}

/** A connection that is in a transaction when we stop may end it. */
const DRAIN_MS = 20_000;

/** Thrown where `stop` comes before a start or a reload. */
const STOPPED = new Error('told to stop');

/** The parts that live as long as the process. */
interface Parts {
  readonly daemons: Daemons;
  readonly records: Records;
  readonly resolver: CachedResolver;
  readonly metrics: Metrics;
  readonly counters: GatewayCounters;
  readonly pipeline: Pipeline;
}

export class Postern {
  readonly #options: PosternOptions;
  readonly #log: Log;
  readonly #startedAt = Date.now();
  /** What to undo, last first. */
  readonly #undo: { readonly what: string; readonly stop: () => Promise<void> | void }[] = [];
  readonly #listeners: Listener[] = [];
  readonly #places: Status['listeners'][number][] = [];
  #settings: Settings;
  #parts: Parts | null = null;
  #routes: Routes | null = null;
  #version: JudgeVersion | null = null;
  #scanners: readonly Scanner[] = [];
  #rates: Rates | null = null;
  #counter: ConnectionCounter;
  readonly #word = newGreetingWord();
  readonly #activity = new Activity();
  readonly #cpu = new CpuMeter();
  readonly #health = new HealthCache(() => this.#askAll());
  #reloading: Promise<Reloaded> | null = null;
  /** Why the last reload failed, null where it did not. */
  #reloadTrouble: ReloadTrouble | null = null;
  readonly #retired: Retired;
  #starting: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: PosternOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#log = options.log;
    this.#retired = new Retired(options.log);
    this.#counter = counterOf(options.settings, options.log);
  }

  /**
   * True when mail is taken, false where `stop` was called meanwhile. On any error everything that was started is
   * stopped again.
   */
  async start(): Promise<boolean> {
    this.#starting = this.#start();
    try {
      await this.#starting;
      return !this.#isStopping;
    } catch (error) {
      await this.stop();
      if (error === STOPPED) return false;
      throw error;
    }
  }

  async #start(): Promise<void> {
    const settings = this.#settings;
    const log = this.#log;
    // Who is started beside a running gateway says only that.
    this.#later('folder', await claimFolder(settings.data));
    log.info({ version: VERSION, file: settings.file }, 'starting');
    log.debug({ settings: maskedSettings(settings) }, 'settings');
    // Whatever can be wrong with what people wrote is found before anything is started.
    const source = await readRulesAside(settings);
    const certificate = await certificateOf(settings);
    await checkFree(settings);
    await this.#openControl(settings);
    this.#goOn();
    const records = await openRecords(settings, log);
    this.#later('database', () => records.store.close());
    this.#later('books', () => records.ledger.close());
    this.#goOn();
    const daemons = await startDaemons(settings, log);
    this.#later('daemons', () => daemons.stop());
    this.#goOn();
    const resolver = new CachedResolver({
      servers: settings.dns.servers,
      deadlineMs: settings.dns.timeout,
      maxEntries: settings.dns.cacheEntries,
    });
    this.#later('resolver', () => resolver.close());
    const metrics = createMetrics();
    this.#rates = clientRates(settings, daemons.memoryUrl, log);
    this.#later('rates', () => this.#rates?.close());
    this.#routes = createRoutes(settings, { log, ownWord: this.#word });
    this.#later('next hops', () => closeAll([...(this.#routes?.hopsBySettings.values() ?? [])]));
    this.#scanners = this.#makeScanners(settings, resolver, daemons);
    this.#later('scanners', () => closeAll(this.#scanners));
    this.#version = await createJudgeVersion(settings, source, this.#scanners);
    this.#later('threads', () => this.#version?.expander.close());
    const current = () => this.#version;
    const pipeline = createScanQueue({ settings, redisUrl: daemons.queueUrl, spool: records.spool, current, log });
    this.#later('pipeline', () => pipeline.close());
    this.#parts = { daemons, records, resolver, metrics, counters: gatewayCounters(metrics, log), pipeline };
    await this.#openHttp(settings);
    this.#later(
      'probe',
      keepAsking(() => this.#routes, log),
    );
    await untilReady(pipeline, () => this.#isStopping, log);
    this.#goOn();
    await this.#listen(settings, certificate);
    // Once more, for a hop that is ourselves answers only now.
    askHops(this.#routes, log);
    log.info({ listeners: this.#places, rules: this.#version.rules.digest }, 'ready');
  }

  get places(): Status['listeners'] {
    return this.#places;
  }

  get records(): Records {
    return this.#need().records;
  }

  /** Takes no more mail, lets transactions end, then stops everything. Never rejects. A start is ended first. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cpu.close();
    await this.#starting.catch(() => undefined);
    // A reload under way makes threads and connections of its own.
    await this.#reloading?.catch(() => undefined);
    // A release under way is recorded while the database is still open.
    const released = this.#parts?.records.quarantine.idle() ?? Promise.resolve();
    const drained = this.#listeners.splice(0).map(listener => listener.stop(DRAIN_MS));
    await Promise.all([...drained, withDeadline(DRAIN_MS, 'release', () => released).catch(() => undefined)]);
    await this.#retired.close();
    for (const { what, stop } of this.#undo.splice(0).reverse()) {
      try {
        await stop();
      } catch (error) {
        this.#log.error({ part: what, error: errorText(error) }, 'not stopped as it should be');
      }
    }
  }

  /** How all parts are; not asked again within `maxAgeMs`. */
  health(maxAgeMs = 0): Promise<HealthReport> {
    return this.#health.report(maxAgeMs);
  }

  async top(): Promise<TopSample> {
    const { pipeline, metrics } = this.#need();
    return topSample({
      startedAt: this.#startedAt,
      places: this.#places,
      listeners: this.#listeners,
      limits: this.#settings.limits,
      pipeline,
      activity: this.#activity,
      cpu: this.#cpu,
      turns: metrics.turns,
      health: await this.health(LOOKED_ON_MS),
    });
  }

  async status(): Promise<Status> {
    return {
      version: VERSION,
      pid: process.pid,
      startedAt: this.#startedAt,
      listeners: this.#places,
      greetingWord: this.#word,
      rules: this.#ruleSet(),
      waiting: waitingIn(this.#settings, this.#options.readSettings),
      health: await this.health(),
    };
  }

  /** Settings that may change live, and rules, as one version. Throws BadFile, and then nothing has changed. */
  async reload(): Promise<Reloaded> {
    // One after the other: two at once would each replace what the other made.
    const before = this.#reloading ?? Promise.resolve();
    const now = before.catch(() => undefined).then(() => this.#reload());
    this.#reloading = now;
    now.catch(error => {
      if (!(error instanceof NotStarted)) this.#reloadTrouble = reloadTroubleOf(error);
    });
    return now;
  }

  async #askAll(): Promise<HealthReport> {
    return healthOfAll({
      ...this.#need(),
      rules: this.#ruleSet(),
      reloadTrouble: this.#reloadTrouble,
      scanners: this.#scanners,
      expander: this.#version?.expander,
      rates: this.#rates,
      hops: [...(this.#routes?.hopsBySettings.values() ?? [])],
    });
  }

  async #reload(): Promise<Reloaded> {
    const { daemons } = this.#need();
    this.#goOn();
    const { effective: settings, live, restart } = compareSettings(this.#settings, this.#options.readSettings());
    const certificate = await certificateOf(settings);
    const source = await readRulesAside(settings);
    const routes = createRoutes(settings, { log: this.#log, ownWord: this.#word }, this.#routes ?? undefined);
    // Of the scanners only the lists and whom they spare may change live; else all keep their threads and connections.
    const areNew = live.some(key => /^(?:scanners|domains)\b/.test(key));
    const scanners = areNew ? this.#makeScanners(settings, this.#need().resolver, daemons) : this.#scanners;
    const version = await createJudgeVersion(settings, source, scanners).catch(async error => {
      if (areNew) await closeAll(scanners);
      throw error;
    });
    const rates = clientRates(settings, daemons.memoryUrl, this.#log);
    // From here on nothing can fail: all is exchanged in one turn of the event loop.
    const before = { settings: this.#settings, rules: this.#version?.rules.source ?? source };
    const old = { routes: this.#routes, version: this.#version, scanners: this.#scanners, rates: this.#rates };
    [this.#settings, this.#routes, this.#version, this.#scanners] = [settings, routes, version, scanners];
    this.#rates = rates;
    // A new counter knows nothing of the connections that are open: only where its limits are others.
    if (live.some(key => key.startsWith('limits.connections'))) this.#counter = counterOf(settings, this.#log);
    this.#reloadTrouble = null;
    for (const listener of this.#listeners) listener.renew(this.#ports(), gatewayRules(settings), certificate);
    this.#retire(old);
    askHops(this.#routes, this.#log);
    const reloaded = reloadedOf({ live, restart }, before, { settings, rules: source });
    this.#log.info({ live, restart, ...reloadLine(reloaded), rules: version.rules.digest }, 'reloaded');
    return { ...reloaded, silentHops: await silentHops(old.routes?.hopsBySettings, routes.hopsBySettings) };
  }

  /** What the new version does not use any more. */
  #retire(old: {
    routes: Routes | null;
    version: JudgeVersion | null;
    scanners: readonly Scanner[];
    rates: Rates | null;
  }): void {
    const kept = new Set(this.#routes?.hopsBySettings.values());
    const hops = [...(old.routes?.hopsBySettings.values() ?? [])].filter(hop => !kept.has(hop));
    const scanners = old.scanners === this.#scanners ? [] : old.scanners;
    const others = [old.version?.expander, old.rates].filter(part => part !== undefined && part !== null);
    this.#retired.add([...hops, ...scanners, ...others]);
  }

  #ports() {
    const { records, pipeline, resolver, counters } = this.#need();
    if (this.#routes === null || this.#rates === null) throw new Error('not started');
    return gatewayPorts({
      settings: this.#settings,
      records,
      routes: this.#routes,
      scan: pipeline,
      rates: this.#rates,
      counter: this.#counter,
      resolver,
      counters,
      activity: this.#activity,
      log: this.#log,
    });
  }

  #makeScanners(settings: Settings, resolver: CachedResolver, { clamd }: Daemons): readonly Scanner[] {
    return createScanners({
      settings,
      resolver,
      clamdSocket: clamd?.socketPath ?? '',
      hasOnlyOwnSignatures: () => clamd?.signatures() === 'none',
      log: this.#log,
    });
  }

  async #openControl(settings: Settings): Promise<void> {
    const routes = controlRoutes({
      status: () => this.status(),
      top: () => this.top(),
      reload: () => this.reload(),
      quarantine: () => this.#need().records.quarantine,
      deliver: deliverBy(() => this.#routes ?? createRoutes(this.#settings, { log: this.#log, ownWord: this.#word })),
    });
    const server = createHttpServer({ name: 'control', routes, handlerMs: CONTROL_MS, log: this.#log });
    this.#later('control socket', () => server.close());
    await server.listen({ socketPath: await socketPath(settings.data, CONTROL_SOCKET) });
  }

  async #openHttp(settings: Settings): Promise<void> {
    if (settings.http === 'off') return;
    const { metrics, pipeline } = this.#need();
    const load = () => ({ connections: this.#counter.total, scans: pipeline.inFlight() });
    const routes = healthRoutes(maxAgeMs => this.health(maxAgeMs), metrics, load);
    const server: HttpServer = createHttpServer({ name: 'http', routes, log: this.#log });
    this.#later('http', () => server.close());
    await server.listen(settings.http).catch(whyNotListening(settings.http, httpNamed(settings)));
  }

  async #listen(settings: Settings, certificate: Certificate): Promise<void> {
    for (const { name, address, trusted, networks } of settings.listeners) {
      const options: ListenerOptions = {
        name,
        ...address,
        trusted,
        networks,
        tls: certificate,
        greetingWord: this.#word,
      };
      const listener = new Listener(options, this.#ports(), gatewayRules(settings));
      const port = await listener.start().catch(whyNotListening(address, listenerNamed(settings, name)));
      this.#listeners.push(listener);
      this.#places.push({ name, host: address.host, port });
    }
  }

  #ruleSet(): Status['rules'] {
    const rules = this.#version?.rules;
    return { digest: rules?.digest ?? '', count: rules?.rules.size ?? 0 };
  }

  /** Between the steps of a start: it goes no further when it was told to stop. */
  #goOn(): void {
    if (this.#isStopping) throw STOPPED;
  }

  #need(): Parts {
    if (this.#parts === null) throw new NotStarted();
    return this.#parts;
  }

  #later(what: string, stop: () => Promise<void> | void | undefined): void {
    this.#undo.push({ what, stop: async () => stop() });
  }
}

/** A release waits for the next hop's reply to the dot. */
const CONTROL_MS = 10 * 60_000;
