// The test gateway as a process of its own, so that its memory can be measured: forked by memory.test.ts, tells its
// port, then its memory in bytes whenever it is asked. Its spool keeps nothing.

import { startTestGateway, TEST_RULES } from './gateway.ts';

const guard = { ...TEST_RULES.guard, messageBytes: 128 * 1024 * 1024 };
const gateway = await startTestGateway({ guard }, { perClient: 100, total: 100 });
gateway.steering.keepsBytes = false;
process.on('message', () => {
  global.gc?.();
  process.send?.({ rss: process.memoryUsage.rss() });
});
process.on('disconnect', () => process.exit());
process.send?.({ port: gateway.port });
