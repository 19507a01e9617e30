// The pipeline as ScanService, with a real redis-server that is killed, stopped for seconds, restarted empty.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { type TestContext, test } from 'node:test';

import { MailError } from '../../src/mail/error.ts';
import type { Scanner, ScanTask } from '../../src/mail/ports.ts';
import { queueNames } from '../../src/pipeline/job.ts';
import { createJudge } from '../../src/pipeline/judge.ts';
import { createPipeline, type Pipeline, type PipelineOptions } from '../../src/pipeline/pipeline.ts';
import { createScanService } from '../../src/pipeline/scan-service.ts';
import { createScanWorker } from '../../src/pipeline/scan-worker.ts';
import { createLog, silentLog } from '../../src/platform/log.ts';
import { createQueue, createWorker } from '../../src/platform/queue.ts';
import { createTestRedis, type TestRedis } from '../support/redis.ts';
import { needs } from '../support/require.ts';
import {
  fakeEntry,
  fakeScanner,
  fakeSpool,
  newId,
  plainCombine,
  quickExpander,
  stuckExpander,
} from '../support/scan-fakes.ts';
import { waitFor } from '../support/wait-for.ts';

const log = silentLog();
const WORKER_PROCESS = new URL('../support/scan-worker-process.ts', import.meta.url).pathname;

/** A scanner that answers when the test lets it, and says what it was given. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>(resolve => {
    open = resolve;
  });
  const seen: string[] = [];
  const scanner = fakeScanner('gate', async (task: ScanTask) => {
    seen.push(task.entry.id);
    await opened;
    return [{ kind: 'hit', symbol: 'GATE', strength: 1, evidence: '' }];
  });
  return { open, seen, scanner };
}

const partsWith =
  (...scanners: readonly Scanner[]) =>
  () => ({ expander: quickExpander, scanners, combine: plainCombine });

function pipelineOn(redis: TestRedis, more: Partial<PipelineOptions> = {}) {
  const pipeline = createPipeline({
    redisUrl: redis.url,
    prefix: 'test',
    host: 'host-1',
    limits: { scans: 300, bytes: 1e9 },
    concurrency: 8,
    spool: fakeSpool,
    parts: partsWith(),
    expandThreads: 2,
    expandMs: 5000,
    scannerMs: {},
    log,
    ...more,
  });
  closers.get(redis)?.push(() => pipeline.close());
  return pipeline;
}

/** Producer and worker that do not know each other, as in two processes: all goes through Redis. */
async function readyApart(redis: TestRedis, parts: PipelineOptions['parts']) {
  const names = queueNames('test', 'host-1');
  const queueOptions = { url: redis.url, prefix: 'test', name: names.queue, log };
  const connection = { url: redis.url, name: 'test', commandTimeoutMs: 1000, log };
  const queue = createQueue(queueOptions);
  const limits = { scans: 300, bytes: 1e9 };
  const service = createScanService({ redis: connection, queue, names, limits, log });
  const judge = createJudge({ parts, expandThreads: 2, expandMs: 5000, scannerMs: {}, log });
  const common = { queueOptions, queue, names, log, spool: fakeSpool, judge, concurrency: 8 };
  const worker = createScanWorker({ redis: connection, ...common });
  closers.get(redis)?.push(
    () => service.close(),
    () => worker.close(),
    () => queue.close(),
  );
  await waitFor('ready', () => service.notReady() === null);
  return service;
}

async function readyPipeline(redis: TestRedis, more: Partial<PipelineOptions> = {}) {
  const pipeline = pipelineOn(redis, more);
  await waitFor('ready', () => pipeline.notReady() === null);
  return pipeline;
}

/** What is closed before its Redis goes. */
const closers = new Map<TestRedis, (() => Promise<void>)[]>();

/** null where there is no redis-server to be had. */
async function redisFor(t: TestContext, how: 'started' | 'not started' = 'started'): Promise<TestRedis | null> {
  if (!needs(t, 'redis-server')) return null;
  const redis = await createTestRedis();
  closers.set(redis, []);
  t.after(async () => {
    redis.thaw();
    for (const close of closers.get(redis) ?? []) await close();
    await redis.remove();
  });
  if (how === 'started') await redis.start();
  return redis;
}

const soon = (ms = 20_000) => Date.now() + ms;
/** Redis is killed while a message is scanned, and comes back empty: its verdict comes all the same. */
async function verdictOverKill(
  redis: TestRedis,
  service: Pick<Pipeline, 'scan' | 'notReady'>,
  { open, seen }: Pick<ReturnType<typeof gate>, 'open' | 'seen'>,
): Promise<void> {
  const entry = fakeEntry();
  const scan = service.scan(entry, soon());
  await waitFor('scanning', () => seen.length > 0);
  await redis.kill();
  await waitFor('noticed', () => service.notReady() === 'queue away');
  open();
  await redis.start();
  assert.equal((await scan).id, entry.id);
}

const isReply = (name: string) => (error: unknown) =>
  error instanceof MailError && error.reply.code === 451 && name === nameOf(error);
const nameOf = (error: MailError) =>
  ({ '4.3.0': 'notReady', '4.3.2': 'busy', '4.7.1': 'deferred' })[error.reply.enhanced as '4.3.0'];

test('a message is scanned by all phases and its report comes back', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  open();
  const pipeline = await readyPipeline(redis, { parts: partsWith(scanner) });
  const entry = fakeEntry();
  const report = await pipeline.scan(entry, soon());
  assert.equal(report.id, entry.id);
  assert.deepEqual(seen, [entry.id]);
  assert.equal(report.findings[0]?.kind === 'hit' && report.findings[0].symbol, 'GATE');
  assert.deepEqual(Object.keys(report.ms), ['rules', 'gate']);
  assert.equal((await pipeline.health()).level, 'ok');
});

test('the verdict of a worker elsewhere comes through Redis', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open } = gate();
  open();
  const service = await readyApart(redis, partsWith(scanner));
  const entries = Array.from({ length: 20 }, () => fakeEntry());
  const reports = await Promise.all(entries.map(entry => service.scan(entry, soon())));
  assert.deepEqual(
    reports.map(({ id, findings }) => [id, findings.length]),
    entries.map(({ id }) => [id, 1]),
  );
});

test('a worker elsewhere sends its verdict again when Redis is back and empty', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  await verdictOverKill(redis, await readyApart(redis, partsWith(scanner)), { open, seen });
});

test('a verdict that is made in this process needs no Redis any more', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { parts: partsWith(scanner) });
  const entry = fakeEntry();
  const scan = pipeline.scan(entry, soon());
  await waitFor('scanning', () => seen.length > 0);
  redis.freeze();
  open();
  assert.equal((await scan).id, entry.id);
  redis.thaw();
});

test('a verdict that nobody here waits for any more goes nowhere', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { parts: partsWith(scanner) });
  const client = new AbortController();
  const scan = pipeline.scan(fakeEntry(), soon(), client.signal);
  await waitFor('scanning', () => seen.length > 0);
  client.abort();
  await assert.rejects(scan, isReply('deferred'));
  open();
  await waitFor('the worker to be done', () => pipeline.inWork() === 0);
  assert.match(await redis.say('KEYS verdict:*'), /^\*0\r/);
});

test('Redis that is down at the start is refused at once, and mail flows when it comes', async t => {
  const redis = await redisFor(t, 'not started');
  if (redis === null) return;
  const pipeline = pipelineOn(redis);
  assert.equal(pipeline.notReady(), 'queue away');
  await assert.rejects(pipeline.scan(fakeEntry(), soon()), isReply('notReady'));
  assert.equal((await pipeline.health()).level, 'down');
  await redis.start();
  await waitFor('ready', () => pipeline.notReady() === null);
  assert.equal((await pipeline.scan(fakeEntry(), soon())).version, 1);
});

test('Redis killed during a scan and back empty: the verdict still comes', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { parts: partsWith(scanner) });
  await verdictOverKill(redis, pipeline, { open, seen });
  await waitFor('ready again', () => pipeline.notReady() === null);
  assert.equal((await pipeline.scan(fakeEntry(), soon())).version, 1);
});

test('a job that Redis forgot before anybody took it is sent again', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, {
    concurrency: 1,
    parts: partsWith(scanner),
  });
  const scans = [pipeline.scan(fakeEntry(), soon()), pipeline.scan(fakeEntry(), soon())];
  await waitFor('scanning', () => seen.length > 0);
  await waitFor('second waits', async () => /^:1\r/.test(await redis.say('LLEN test:scan-host-1:wait')));
  await redis.kill();
  await redis.start();
  open();
  const reports = await Promise.all(scans);
  assert.equal(new Set(reports.map(report => report.id)).size, 2);
  assert.equal(seen.length, 2, 'each is scanned once');
});

test('a long scan whose job Redis forgot is finished, once', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const lines: string[] = [];
  const pipeline = await readyPipeline(redis, {
    lockMs: 300,
    parts: partsWith(scanner),
    log: createLog('warn', line => lines.push(line)),
  });
  const entry = fakeEntry();
  const scan = pipeline.scan(entry, soon());
  await waitFor('scanning', () => seen.length > 0);
  await redis.say('FLUSHALL');
  await waitFor('lock lost', () => lines.some(line => line.includes('lost by the queue')));
  open();
  assert.equal((await scan).id, entry.id);
  assert.deepEqual(seen, [entry.id]);
});

test('a frozen Redis closes the gate, scans are refused in time, and it opens again by itself', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const pipeline = await readyPipeline(redis);
  redis.freeze();
  await assert.rejects(pipeline.scan(fakeEntry(), soon()), isReply('notReady'));
  assert.equal(pipeline.notReady(), 'queue away');
  await waitFor('noticed', async () => (await pipeline.health()).level === 'down');
  redis.thaw();
  await waitFor('ready again', () => pipeline.notReady() === null);
  assert.equal((await pipeline.scan(fakeEntry(), soon())).version, 1);
});

test('a verdict that does not come by its deadline is a deferral, not a wait', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const service = await readyApart(redis, partsWith(scanner));
  const scan = service.scan(fakeEntry(), soon(1500));
  await waitFor('scanning', () => seen.length > 0);
  redis.freeze();
  open();
  await assert.rejects(scan, isReply('deferred'));
  redis.thaw();
});

test('a late job is dropped unread', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const opened: string[] = [];
  const queue = createQueue({ url: redis.url, prefix: 'test', name: 'scan-host-1', log });
  closers.get(redis)?.push(() => queue.close());
  await waitFor('queue', () => queue.isReady());
  const late = newId();
  await queue.add(late, { version: 1, id: late, deadline: Date.now() - 1, enqueued: Date.now() - 1000 }, 1000);
  const pipeline = await readyPipeline(redis, {
    spool: {
      open: async id => {
        opened.push(id);
        return fakeEntry(id);
      },
    },
  });
  const entry = fakeEntry();
  await pipeline.scan(entry, soon());
  await waitFor('late job gone', async () => !(await queue.has(late)));
  assert.deepEqual(opened, [entry.id]);
});

test('a job of unknown form is dropped and does not stop the worker', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const queue = createQueue({ url: redis.url, prefix: 'test', name: 'scan-host-1', log });
  closers.get(redis)?.push(() => queue.close());
  await waitFor('queue', () => queue.isReady());
  await queue.add('what', { version: 9 }, 1000);
  const pipeline = await readyPipeline(redis);
  assert.equal((await pipeline.scan(fakeEntry(), soon())).version, 1);
  await waitFor('gone', async () => !(await queue.has('what')));
});

test('a message that kills its thread twice is unscannable', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const expander = stuckExpander();
  const pipeline = await readyPipeline(redis, {
    expandMs: 50,
    parts: () => ({ expander, scanners: [], combine: plainCombine }),
  });
  const { findings } = await pipeline.scan(fakeEntry(), soon());
  assert.deepEqual(
    findings.map(finding => finding.kind),
    ['unscannable'],
  );
  assert.equal(expander.calls, 2);
});

test('an entry that cannot be opened defers its message at once', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const open = async () => Promise.reject(new MailError('unknownError', 'no such entry'));
  const pipeline = await readyPipeline(redis, { spool: { open } });
  await assert.rejects(pipeline.scan(fakeEntry(), soon()), isReply('deferred'));
});

test('200 scans at once all get their own report; beyond the limit it is busy', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, {
    limits: { scans: 200, bytes: 1e9 },
    parts: partsWith(scanner),
  });
  const entries = Array.from({ length: 200 }, () => fakeEntry());
  const scans = entries.map(entry => pipeline.scan(entry, soon()));
  await waitFor('scanning', () => seen.length > 0);
  assert.equal(pipeline.notReady(), 'busy');
  await assert.rejects(pipeline.scan(fakeEntry(), soon()), isReply('busy'));
  open();
  const reports = await Promise.all(scans);
  assert.deepEqual(
    reports.map(report => report.id),
    entries.map(entry => entry.id),
  );
  assert.equal(pipeline.notReady(), null);
});

test('large messages wait for each other in bytes, and nobody else for them', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { limits: { scans: 10, bytes: 5000 }, parts: partsWith(scanner) });
  const [first, second, small] = [fakeEntry(newId(), 3000), fakeEntry(newId(), 3000), fakeEntry(newId(), 500)];
  const scans = [pipeline.scan(first, soon()), pipeline.scan(second, soon())];
  await waitFor('scanning', () => seen.length > 0);
  assert.equal(pipeline.notReady(), null, 'nobody knows yet how large the next one is');
  await assert.rejects(pipeline.scan(fakeEntry(newId(), 3000), soon(300)), isReply('deferred'));
  scans.push(pipeline.scan(small, soon()));
  await waitFor('the small one to be scanned', () => seen.length === 2);
  assert.deepEqual(seen, [first.id, small.id]);
  open();
  await Promise.all(scans);
  assert.equal(seen.length, 3);
});

test('one that is larger than all room is scanned alone', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const pipeline = await readyPipeline(redis, { limits: { scans: 10, bytes: 5000 } });
  const entry = fakeEntry(newId(), 6000);
  assert.equal((await pipeline.scan(entry, soon())).id, entry.id);
});

test('so many large messages may wait, and no more', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { limits: { scans: 4, bytes: 5000 }, parts: partsWith(scanner) });
  const scans = Array.from({ length: 4 }, () => pipeline.scan(fakeEntry(newId(), 3000), soon()));
  await waitFor('scanning', () => seen.length > 0);
  await assert.rejects(pipeline.scan(fakeEntry(newId(), 3000), soon()), isReply('busy'));
  open();
  await Promise.all(scans);
});

test('the job of a worker that was killed is taken over by another', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const names = queueNames('test', 'host-1');
  const queue = createQueue({ url: redis.url, prefix: 'test', name: names.queue, log });
  const redisOptions = { url: redis.url, name: 'test', commandTimeoutMs: 1000, log };
  const limits = { scans: 10, bytes: 1e9 };
  const service = createScanService({ redis: redisOptions, queue, names, limits, log });
  closers.get(redis)?.push(
    () => service.close(),
    () => queue.close(),
  );
  const other = spawn(process.execPath, [WORKER_PROCESS, redis.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => other.kill('SIGKILL'));
  await waitFor('ready', () => service.notReady() === null);
  const entry = fakeEntry();
  const scan = service.scan(entry, soon());
  // The other process says the id when it has begun, and never ends it.
  assert.equal(String((await once(other.stdout, 'data'))[0]).trim(), entry.id);
  other.kill('SIGKILL');
  const worker = createScanWorker({
    redis: redisOptions,
    queueOptions: { url: redis.url, prefix: 'test', name: names.queue, log },
    queue,
    names,
    spool: fakeSpool,
    judge: async ({ id }) => plainCombine(fakeEntry(id), [], null),
    concurrency: 1,
    lockMs: 500,
    log,
  });
  closers.get(redis)?.unshift(() => worker.close());
  assert.equal((await scan).id, entry.id);
});

test('a worker that no longer fetches is replaced, and health says so', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  let made = 0;
  const pipeline = await readyPipeline(redis, {
    stuckMs: 200,
    makeWorker: options => {
      made += 1;
      const idle = { running: () => 0, lastFetch: () => 0, close: async () => undefined };
      return made === 1 ? idle : createWorker(options);
    },
  });
  const entry = fakeEntry();
  assert.equal((await pipeline.scan(entry, soon())).id, entry.id);
  assert.equal(made, 2);
  const health = (await pipeline.parts())[1];
  assert.equal(health?.level, 'degraded');
  assert.match(health?.says ?? '', /stopped fetching and was replaced \(1 times/);
});

test('closing waits for the scans in work', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, { parts: partsWith(scanner) });
  const scan = pipeline.scan(fakeEntry(), soon());
  await waitFor('scanning', () => seen.length > 0);
  const closed = pipeline.close();
  await assert.rejects(pipeline.scan(fakeEntry(), soon()), isReply('notReady'));
  open();
  assert.equal((await scan).version, 1);
  await closed;
});

test('a client that has gone ends the waiting, and its job is not scanned', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const { scanner, open, seen } = gate();
  const pipeline = await readyPipeline(redis, {
    concurrency: 1,
    parts: partsWith(scanner),
  });
  const first = fakeEntry();
  const scan = pipeline.scan(first, soon());
  await waitFor('scanning', () => seen.length > 0);
  const gone = new AbortController();
  const second = pipeline.scan(fakeEntry(), soon(), gone.signal);
  await waitFor('second waits', async () => /^:1\r/.test(await redis.say('LLEN test:scan-host-1:wait')));
  gone.abort();
  await assert.rejects(second, isReply('deferred'));
  open();
  await scan;
  const third = fakeEntry();
  await pipeline.scan(third, soon());
  assert.deepEqual(seen, [first.id, third.id]);
});

test('nothing is left in Redis and no listener in the process after 1000 scans', async t => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const warnings: string[] = [];
  const onWarning = (warning: Error) => warnings.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const pipeline = await readyPipeline(redis);
  const client = new AbortController();
  setMaxListeners(20, client.signal);
  for (let round = 0; round < 50; round++) {
    await Promise.all(
      Array.from({ length: 20 }, () => pipeline.scan(fakeEntry(), soon(), round % 2 ? client.signal : undefined)),
    );
  }
  assert.equal(pipeline.inFlight(), 0);
  // What stays is BullMQ's own: meta, events, id, marker, stalled-check; no job, no verdict.
  await waitFor('jobs removed', async () => Number((await redis.say('DBSIZE')).slice(1)) < 10);
  assert.match(await redis.say('EXISTS test:scan-host-1:completed'), /^:0/);
  const events = Number((await redis.say('XLEN test:scan-host-1:events')).slice(1));
  assert.ok(events < 500, `${events} events are kept`);
  assert.deepEqual(warnings, []);
});
