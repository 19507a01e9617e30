// The next hop of the bench: takes everything, keeps nothing, counts. A process of its own, so that its CPU is told apart.
// Forked by world.ts; answers every message of its parent with what it has counted so far.

import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface Counted {
  readonly port: number;
  readonly messages: number;
  readonly bytes: number;
}

const END = Buffer.from('\r\n.\r\n');
const OFFERS =
  '250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 104857600\r\n250 ENHANCEDSTATUSCODES\r\n';
const REPLIES: Readonly<Record<string, string>> = {
  EHLO: OFFERS,
  HELO: '250 sink.example\r\n',
  DATA: '354 go on\r\n',
  QUIT: '221 2.0.0 bye\r\n',
};

let messages = 0;
let bytes = 0;

function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let isData = false;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.write('220 sink.example ESMTP\r\n');
  socket.on('data', (chunk: Buffer) => {
    let at = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let answer = '';
    let isLast = false;
    for (;;) {
      const end = at.indexOf(isData ? END : '\r\n');
      if (end === -1) break;
      if (isData) {
        messages += 1;
        bytes += end + 2;
        isData = false;
        answer += '250 2.0.0 taken\r\n';
        at = at.subarray(end + END.length);
        continue;
      }
      const verb = at.toString('latin1', 0, Math.min(end, 4)).toUpperCase();
      answer += REPLIES[verb] ?? '250 2.0.0 fine\r\n';
      isLast ||= verb === 'QUIT';
      isData = verb === 'DATA';
      // The line end before an empty message's dot is that of DATA: it stays.
      at = at.subarray(isData ? end : end + 2);
      if (isData) bytes -= 2;
    }
    // Of content only what may be the start of its end is kept.
    const kept = isData ? Math.min(at.length, END.length - 1) : at.length;
    if (isData) bytes += at.length - kept;
    rest = at.subarray(at.length - kept);
    if (answer !== '') socket.write(answer);
    if (isLast) socket.end();
  });
}

const server = createServer(serve);
server.listen(0, '127.0.0.1', 4096);
process.on('message', () => (server.listening ? tell() : server.once('listening', tell)));
process.on('disconnect', () => process.exit());

function tell(): void {
  process.send?.({ port: (server.address() as AddressInfo).port, messages, bytes } satisfies Counted);
}
