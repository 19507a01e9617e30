// Starts threads of the database as the store does, and counts them; the next ones fail or hang when a test says so. For the
// tests of both ends.

import { ThreadClient } from '../../src/store/thread-client.ts';

export function threadStarts(path: string, role: 'reader' | 'writer') {
  const clients: ThreadClient[] = [];
  const fails = { left: 0 };
  const hangs = {
    starts: 0,
    until: Promise.resolve(),
    /** The next starts hang until what is given back is called. */
    next() {
      const { promise, resolve } = Promise.withResolvers<void>();
      hangs.until = promise;
      return resolve;
    },
  };
  const start = async () => {
    hangs.starts++;
    await hangs.until;
    if (fails.left-- > 0) throw new Error('the test says no');
    const client = await ThreadClient.start({ path, busyMs: 50, role }, { queueMax: 10, deadlineMs: 5000 });
    clients.push(client);
    return client;
  };
  return { clients, fails, hangs, start };
}
