// The worker's side of scanning: takes jobs from a host's queue, has them judged, sends the verdict back. Made by
// pipeline.ts. It replaces its BullMQ worker when that no longer fetches: silent workers are BullMQ's worst habit.

import { setMaxListeners } from 'node:events';

import { isMailId, type MailId } from '../mail/mail-id.ts';
import type { Health, Spool } from '../mail/ports.ts';
import { pause } from '../platform/deadline.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText, type Log } from '../platform/log.ts';
import { createWorker, type JobQueue, type JobWorker, type MakeWorker, type QueueOptions } from '../platform/queue.ts';
import { connectRedis, type RedisConnection, type RedisOptions } from '../platform/redis.ts';
import { type Answer, boundedAnswer, encodeAnswer } from './answer.ts';
import { parseJob, type QueueNames, type ScanJob } from './job.ts';
import type { Judge } from './judge.ts';
import type { Producer } from './scan-service.ts';

export interface ScanWorkerOptions {
  readonly redis: RedisOptions;
  readonly queueOptions: QueueOptions;
  /** To see how long jobs wait. */
  readonly queue: JobQueue;
  readonly names: QueueNames;
  readonly spool: Pick<Spool, 'open'>;
  readonly judge: Judge;
  /** Jobs at once: most of their time they wait for others. */
  readonly concurrency: number;
  /** Where the producer is in this process: a verdict nobody waits for is not made, and the others go straight to it. */
  readonly producer?: Pick<Producer, 'isWanted' | 'settle'>;
  readonly log: Log;
  /** A worker with free hands that leaves a job waiting for so long is replaced. */
  readonly stuckMs?: number;
  /** A worker that died keeps its jobs for so long; default 15 s. */
  readonly lockMs?: number;
  /** For tests. */
  readonly makeWorker?: MakeWorker;
}

export interface ScanWorker {
  running(): number;
  isInWork(id: MailId): boolean;
  health(): Promise<Health>;
  /** Finishes what it has begun, within a bound. */
  close(): Promise<void>;
}

const LOCK_MS = 15_000;
const STUCK_MS = 10_000;
const LOOKS_PER_STUCK = 4;
/** A replaced worker may finish its jobs. */
const DRAIN_MS = 30_000;
/** A verdict that could not be sent is tried again until its deadline. */
const ANSWER_AGAIN_MS = 250;
/** The key outlives the deadline a little, for clocks differ. */
const VERDICT_KEPT_MS = 5000;
const REBUILT_SHOWN_MS = 600_000;

export function createScanWorker(options: ScanWorkerOptions): ScanWorker {
  return new Consumer(options);
}

class Consumer implements ScanWorker {
  readonly #options: ScanWorkerOptions;
  readonly #connection: RedisConnection;
  readonly #working = new Set<MailId>();
  readonly #closing = new AbortController();
  readonly #watch: NodeJS.Timeout;
  #worker: JobWorker;
  #retired: Promise<void>[] = [];
  /** Since when the present worker had its chance: built, or Redis back. */
  #since = Date.now();
  #rebuilt = 0;
  #lastRebuilt = 0;
  #oldestMs = 0;

  constructor(options: ScanWorkerOptions) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal);
    this.#connection = connectRedis(options.redis);
    this.#worker = this.#make();
    this.#watch = setInterval(() => void this.#look(), this.#stuckMs() / LOOKS_PER_STUCK);
    this.#watch.unref();
  }

  running(): number {
    return this.#working.size;
  }

  isInWork(id: MailId): boolean {
    return this.#working.has(id);
  }

  async health(): Promise<Health> {
    const part = 'scan worker';
    if (Date.now() - this.#lastRebuilt < REBUILT_SHOWN_MS) {
      const says = `it had stopped fetching and was replaced (${this.#rebuilt} times since start)`;
      return { part, level: 'degraded', says, next: '' };
    }
    if (this.#oldestMs > this.#stuckMs()) {
      const says = `a message has been waiting for ${Math.round(this.#oldestMs / 1000)} s, ${this.running()} are in work`;
      return { part, level: 'degraded', says, next: 'see which scanner is slow; more concurrency where it only waits' };
    }
    return { part, level: 'ok', says: `${this.running()} of ${this.#options.concurrency} in work`, next: '' };
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    // Where the producer is in this process it was closed before: nobody waits for what is still in work.
    if (this.#options.producer !== undefined) this.#closing.abort(new Error('closing'));
    await Promise.all([...this.#retired, this.#worker.close(DRAIN_MS)]);
    this.#closing.abort(new Error('closing'));
    await this.#connection.close();
  }

  #make(): JobWorker {
    const make = this.#options.makeWorker ?? createWorker;
    const { queueOptions, concurrency, lockMs = LOCK_MS } = this.#options;
    return make({ ...queueOptions, concurrency, lockMs, work: (id, data, signal) => this.#work(id, data, signal) });
  }

  /** Never rejects: a job is done when its verdict is on its way, or nobody wants one. */
  async #work(rawId: string, data: unknown, signal: AbortSignal): Promise<void> {
    const job = parseJob(data);
    if (job === null || job.id !== rawId || !isMailId(rawId)) {
      this.#options.log.warn({ job: rawId.slice(0, 64) }, 'job of unknown form dropped');
      return;
    }
    const why = this.#notWanted(job);
    if (why !== null) {
      this.#options.log.info({ id: job.id, why }, 'scan job dropped');
      return;
    }
    this.#working.add(job.id);
    try {
      const answer = await this.#judged(job, this.#endOf(signal));
      await failpoint('scan.answer');
      if (answer === null) return;
      const { producer } = this.#options;
      // Where it is here, nobody else waits: an answer that it no longer wants is nobody's.
      if (producer === undefined) await this.#answer(job, answer);
      else producer.settle(job.id, boundedAnswer(answer));
    } catch (error) {
      this.#options.log.warn({ id: job.id, err: errorText(error) }, 'verdict could not be sent');
    } finally {
      this.#working.delete(job.id);
    }
  }

  /**
   * A job that Redis took from us is left to the worker that has it now. Not where the producer is here: it waits for
   * us, and a second run is dropped because of this one.
   */
  #endOf(taken: AbortSignal): AbortSignal {
    const closing = this.#closing.signal;
    return this.#options.producer === undefined ? AbortSignal.any([taken, closing]) : closing;
  }

  #notWanted(job: ScanJob): string | null {
    if (Date.now() >= job.deadline) return 'its deadline has passed';
    // Sent again after Redis forgot it, or taken from us and given back: one run is enough.
    if (this.#working.has(job.id)) return 'it is in work already';
    return this.#options.producer?.isWanted(job.id) === false ? 'nobody waits for it' : null;
  }

  /** null where it is no longer ours to answer. */
  async #judged(job: ScanJob, signal: AbortSignal): Promise<Answer | null> {
    try {
      await failpoint('scan.take');
      const entry = await this.#options.spool.open(job.id);
      return { kind: 'report', report: await this.#options.judge(entry, job.deadline, signal) };
    } catch (error) {
      this.#options.log.error({ id: job.id, err: errorText(error) }, 'scan failed');
      if (signal.aborted) return null;
      return { kind: 'failed', reason: errorText(error) };
    }
  }

  async #answer(job: ScanJob, answer: Answer): Promise<void> {
    const { verdict, channel } = this.#options.names;
    const text = encodeAnswer(answer);
    for (;;) {
      const expiresMs = job.deadline - Date.now() + VERDICT_KEPT_MS;
      try {
        return await this.#connection.setAndPublish({
          key: verdict(job.id),
          value: text,
          expiresMs,
          channel,
          message: job.id,
        });
      } catch (error) {
        if (Date.now() + ANSWER_AGAIN_MS >= job.deadline) throw error;
        await pause(ANSWER_AGAIN_MS, this.#closing.signal);
      }
    }
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { queue, concurrency, log } = this.#options;
    const stuckMs = this.#stuckMs();
    try {
      this.#oldestMs = (await queue.oldestWaitingMs()) ?? 0;
    } catch {
      // Redis is away: nobody can fetch, and the worker gets its time to recover after that.
      this.#since = Date.now();
      this.#oldestMs = 0;
      return;
    }
    const idleMs = Date.now() - Math.max(this.#since, this.#worker.lastFetch());
    if (this.#oldestMs < stuckMs || idleMs < stuckMs || this.#worker.running() >= concurrency) return;
    log.error({ oldestMs: this.#oldestMs, idleMs }, 'the scan worker has stopped fetching, replacing it');
    this.#retire(this.#worker);
    this.#since = this.#lastRebuilt = Date.now();
    this.#rebuilt += 1;
    this.#worker = this.#make();
  }

  #retire(worker: JobWorker): void {
    const retired = worker.close(DRAIN_MS).finally(() => {
      this.#retired = this.#retired.filter(other => other !== retired);
    });
    this.#retired.push(retired);
  }

  #stuckMs(): number {
    return this.#options.stuckMs ?? STUCK_MS;
  }
}
