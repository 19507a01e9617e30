// Loaded into each thread of a measured Postern (`--import`, by NODE_OPTIONS): takes its CPU profile between two SIGUSR2
// of the bench and writes it to the folder in BENCH_PROFILES. Not part of Postern.

import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

const folder = process.env.BENCH_PROFILES;
const SAMPLE_EVERY_US = 500;

if (folder !== undefined) {
  const session = new Session();
  session.connect();
  const channel = new BroadcastChannel('bench-profile');
  // Its listener must not keep a thread alive.
  channel.unref();
  let isOn = false;
  const toggle = () => {
    isOn = !isOn;
    if (isOn) {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
      session.post('Profiler.start');
      return;
    }
    session.post('Profiler.stop', (error, result) => {
      if (error === null) writeFileSync(join(folder, `${threadId}.cpuprofile`), JSON.stringify(result.profile));
    });
  };
  channel.onmessage = toggle;
  if (isMainThread) {
    process.on('SIGUSR2', () => {
      channel.postMessage('toggle');
      toggle();
    });
  }
}
