// A scan worker in a process of its own, for a test that kills it: `node scan-worker-process.ts REDIS-URL`. It says the id
// of the job it has taken and never ends it.

import { queueNames } from '../../src/pipeline/job.ts';
import { createScanWorker } from '../../src/pipeline/scan-worker.ts';
import { silentLog } from '../../src/platform/log.ts';
import { createQueue } from '../../src/platform/queue.ts';
import { fakeSpool } from './scan-fakes.ts';

const url = process.argv[2] ?? '';
const log = silentLog();
const names = queueNames('test', 'host-1');
const queueOptions = { url, prefix: 'test', name: names.queue, log };
createScanWorker({
  redis: { url, name: 'test', commandTimeoutMs: 1000, log },
  queueOptions,
  queue: createQueue(queueOptions),
  names,
  spool: fakeSpool,
  judge: ({ id }) => {
    process.stdout.write(`${id}\n`);
    return new Promise(() => undefined);
  },
  concurrency: 1,
  lockMs: 500,
  log,
});
