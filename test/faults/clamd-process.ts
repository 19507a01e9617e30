// The virus scanner of the fault run, a process of its own: killed, stopped, and told over IPC to lie. Argument: port.

import { type ClamdMode, startFakeClamd } from '../support/fake-clamd.ts';

const clamd = await startFakeClamd('honest', Number(process.argv[2] ?? 0));
process.on('message', (order: { mode: ClamdMode }) => {
  clamd.mode = order.mode;
  process.send?.({ done: true });
});
process.on('disconnect', () => process.exit());
process.send?.({ port: clamd.address.port });
