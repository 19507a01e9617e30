// The producer's side of scanning: a job into this host's queue, the verdict back by a channel of our own. Called by
// the gateway; knows when mail cannot be scanned now, and says so at once (451 at MAIL). Never waits for Redis without a
// deadline, never uses BullMQ's own waiting for results, which hangs where an event is lost.

import { MailError } from '../mail/error.ts';
import type { Report } from '../mail/finding.ts';
import type { MailId } from '../mail/mail-id.ts';
import type { Health, ScanService, SpoolEntry } from '../mail/ports.ts';
import { DeadlinePassed, pause } from '../platform/deadline.ts';
import { failpoint } from '../platform/failpoint.ts';
import { InFlight } from '../platform/in-flight.ts';
import { errorText, type Log } from '../platform/log.ts';
import type { JobQueue } from '../platform/queue.ts';
import { connectRedis, type RedisConnection, type RedisOptions } from '../platform/redis.ts';
import type { Answer } from './answer.ts';
import type { QueueNames, ScanJob } from './job.ts';
import { createVerdictReader, type VerdictReader } from './verdict-reader.ts';

export interface ScanLimits {
  /** Messages that may wait for their verdict at once. */
  readonly scans: number;
  /** Bytes of those that are larger than their share of it, all together; the others are bounded by their number. */
  readonly bytes: number;
}

export interface ScanServiceOptions {
  readonly redis: RedisOptions;
  readonly queue: JobQueue;
  readonly names: QueueNames;
  readonly limits: ScanLimits;
  /** Where the worker is in this process: what it works on is not lost, whatever Redis says. */
  readonly isInWork?: (id: MailId) => boolean;
  readonly log: Log;
}

export interface Producer extends ScanService {
  /** As of the port. When `signal` fires the client has gone: the waiting ends with MailError deferred. */
  scan(entry: SpoolEntry, deadline: number, signal?: AbortSignal): Promise<Report>;
  /** Does somebody still wait for this verdict? */
  isWanted(id: MailId): boolean;
  /** The verdict, from a worker in this process; nothing happens where nobody waits for it. */
  settle(id: MailId, answer: Answer): void;
  /** Messages whose verdict is awaited. */
  inFlight(): number;
}

/** `add` is tried again within this time: connections of one process do not all come back in the same moment. */
const ADD_WITHIN_MS = 1500;
const ADD_AGAIN_MS = 50;
const BEAT_EVERY_MS = 500;
/** While Redis is away: mail waits for it to come back. */
const BEAT_AWAY_MS = 100;
/** The usual end of waiting; one for each message would cost a stack. */
const OVER = new Error('over');
const CLOSE_WITHIN_MS = 30_000;

export function createScanService(options: ScanServiceOptions): Producer {
  return new Service(options);
}

class Service implements Producer {
  readonly #options: ScanServiceOptions;
  readonly #connection: RedisConnection;
  readonly #reader: VerdictReader;
  readonly #jobs = new Map<MailId, ScanJob>();
  readonly #room: InFlight;
  /** Those that take more than their share of the bytes wait for each other here, and nobody else for them. */
  readonly #large: InFlight;
  readonly #largeBytes: number;
  #beat: NodeJS.Timeout | undefined;
  #isClosing = false;
  #isClosed = false;
  #runId = '';
  /** Epoch milliseconds, null while Redis answers. */
  #awaySince: number | null = Date.now();

  constructor(options: ScanServiceOptions) {
    this.#options = options;
    const { scans, bytes } = options.limits;
    this.#room = new InFlight(scans, Number.POSITIVE_INFINITY);
    this.#large = new InFlight(scans, bytes);
    this.#largeBytes = bytes / scans;
    this.#connection = connectRedis(options.redis);
    this.#reader = createVerdictReader({
      redis: { ...options.redis, name: `${options.redis.name}-verdicts` },
      connection: this.#connection,
      names: options.names,
      isLost: async id => options.isInWork?.(id) !== true && !(await options.queue.has(id)),
      onLost: id => this.#sendAgain(id),
      log: options.log,
    });
    void this.#heartbeat();
  }

  notReady(): 'queue away' | 'busy' | null {
    if (this.#isClosing || !this.#isOpen()) return 'queue away';
    return this.#room.count >= this.#options.limits.scans ? 'busy' : null;
  }

  isWanted(id: MailId): boolean {
    return this.#reader.isExpected(id);
  }

  settle(id: MailId, answer: Answer): void {
    this.#reader.settle(id, answer);
  }

  inFlight(): number {
    return this.#jobs.size;
  }

  async scan(entry: SpoolEntry, deadline: number, signal?: AbortSignal): Promise<Report> {
    if (this.notReady() === 'queue away') throw new MailError('notReady', 'the queue is away');
    const isLarge = entry.sizeBytes > this.#largeBytes;
    const { count, waiting } = isLarge ? this.#large : this.#room;
    if (count + waiting >= this.#options.limits.scans)
      throw new MailError('busy', `${count} scans in flight, ${waiting} wait for room`);
    if (this.#jobs.has(entry.id)) throw new MailError('deferred', `${entry.id} is being scanned already`);
    const job: ScanJob = { version: 1, id: entry.id, deadline, enqueued: Date.now() };
    this.#jobs.set(entry.id, job);
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(new DeadlinePassed('no verdict by the deadline')), deadline - Date.now());
    const onGone = () => end.abort(new Error('the client has gone'));
    if (signal?.aborted === true) onGone();
    signal?.addEventListener('abort', onGone, { once: true });
    try {
      // It has come whole: it waits for room rather than having been sent for nothing.
      const run = () => this.#room.run(entry.sizeBytes, end.signal, () => this.#judged(job, end.signal));
      return await (isLarge ? this.#large.run(entry.sizeBytes, end.signal, run) : run());
    } catch (error) {
      if (error instanceof MailError) throw error;
      throw new MailError('deferred', errorText(error), { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onGone);
      // Also where the job could not be sent: nobody waits any more, so a worker that finds it drops it.
      end.abort(OVER);
      this.#jobs.delete(entry.id);
    }
  }

  async #judged(job: ScanJob, signal: AbortSignal): Promise<Report> {
    const answer = this.#reader.expect(job.id, signal);
    answer.catch(() => undefined);
    await failpoint('scan.enqueue');
    await this.#send(job, signal);
    this.#reader.sent(job.id);
    const report = reportOf(await answer);
    await failpoint('scan.verdict');
    return report;
  }

  async health(): Promise<Health> {
    const part = 'scan queue';
    const { scans } = this.#options.limits;
    if (this.#isOpen()) return { part, level: 'ok', says: `${this.#jobs.size} of ${scans} scans in flight`, next: '' };
    const seconds = Math.round((Date.now() - (this.#awaySince ?? Date.now())) / 1000);
    const says = `the queue's Redis has not answered for ${seconds} s: mail is deferred`;
    return { part, level: 'down', says, next: 'is redis-server running, and is its address right?' };
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const until = Date.now() + CLOSE_WITHIN_MS;
    while (this.#jobs.size > 0 && Date.now() < until) await pause(20);
    this.#isClosed = true;
    clearTimeout(this.#beat);
    await this.#reader.close();
    await this.#connection.close();
  }

  #isOpen(): boolean {
    return (
      this.#awaySince === null && this.#connection.isReady() && this.#reader.isReady() && this.#options.queue.isReady()
    );
  }

  /** Rejects with MailError notReady when Redis does not take the job in time. */
  async #send(job: ScanJob, signal: AbortSignal): Promise<void> {
    const until = Math.min(Date.now() + ADD_WITHIN_MS, job.deadline);
    for (;;) {
      try {
        return await this.#options.queue.add(job.id, job, Math.max(1, until - Date.now()));
      } catch (error) {
        if (Date.now() + ADD_AGAIN_MS < until) {
          await pause(ADD_AGAIN_MS, signal);
          continue;
        }
        this.#isAway();
        throw new MailError('notReady', 'the job could not be enqueued', { cause: error });
      }
    }
  }

  /** Redis came back without the job. Its deadline stays. */
  async #sendAgain(id: MailId): Promise<void> {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#options.log.warn({ id }, 'its scan job was lost, sent again');
    await this.#options.queue.add(id, job, ADD_WITHIN_MS);
  }

  /** Opens and closes the gate, for ever: a frozen Redis keeps its connections and answers nothing. Never rejects. */
  async #heartbeat(): Promise<void> {
    try {
      if (this.#awaySince === null) {
        await this.#connection.ping();
      } else {
        const runId = await this.#connection.runId();
        if (runId !== this.#runId) await this.#options.queue.prepare();
        this.#runId = runId;
        this.#awaySince = null;
      }
    } catch {
      this.#isAway();
    }
    if (this.#isClosed) return;
    this.#beat = setTimeout(() => void this.#heartbeat(), this.#isOpen() ? BEAT_EVERY_MS : BEAT_AWAY_MS);
    this.#beat.unref();
  }

  #isAway(): void {
    this.#awaySince ??= Date.now();
  }
}

function reportOf(answer: Answer): Report {
  if (answer.kind === 'report') return answer.report;
  throw new MailError('deferred', answer.reason);
}
