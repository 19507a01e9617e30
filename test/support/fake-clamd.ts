// A clamd that misbehaves on demand, for what the real one does not do when asked: on a port of 127.0.0.1.

import { type AddressInfo, createServer, type Socket } from 'node:net';

import { EICAR } from './send.ts';

/**
 * ok, found: the right words after the whole message. dead: closes at once. early: closes while the message comes.
 * stall: takes all and says nothing. deaf: does not even read. reset: cuts the connection. garbage, half, enormous:
 * answers so. limit: says that the message is too large before it has read it. honest: finds the EICAR test file.
 */
export type ClamdMode =
  | 'ok'
  | 'found'
  | 'dead'
  | 'early'
  | 'stall'
  | 'deaf'
  | 'reset'
  | 'garbage'
  | 'half'
  | 'enormous'
  | 'limit'
  | 'honest';

export interface FakeClamd {
  readonly address: { readonly host: string; readonly port: number };
  mode: ClamdMode;
  /** Open connections. */
  readonly connections: number;
  /** The most scans without an answer there have been at once. */
  readonly mostScans: number;
  /** Bytes of the last message, without the framing of INSTREAM. */
  readonly received: Buffer;
  /** Says "clean" at last to all that stall. */
  answer(): void;
  stop(): Promise<void>;
}

/** `port`: instead of a free one. */
export async function startFakeClamd(mode: ClamdMode, port = 0): Promise<FakeClamd> {
  const sockets = new Set<Socket>();
  const state = { mode, scans: 0, mostScans: 0, received: Buffer.alloc(0) };
  const server = createServer(socket => {
    sockets.add(socket);
    state.scans += 1;
    state.mostScans = Math.max(state.mostScans, state.scans);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    serve(socket, state);
  });
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
  const { port: taken } = server.address() as AddressInfo;
  return {
    address: { host: '127.0.0.1', port: taken },
    get mode() {
      return state.mode;
    },
    set mode(value) {
      state.mode = value;
    },
    get connections() {
      return sockets.size;
    },
    get mostScans() {
      return state.mostScans;
    },
    get received() {
      return state.received;
    },
    answer: () => {
      for (const socket of sockets) socket.end(ANSWERS.ok ?? '');
    },
    stop: () =>
      new Promise<void>(resolve => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function serve(socket: Socket, state: { readonly mode: ClamdMode; scans: number; received: Buffer }): void {
  const { mode } = state;
  if (mode === 'dead') return void socket.end();
  if (mode === 'deaf') return void socket.pause();
  let taken = Buffer.alloc(0);
  socket.on('data', chunk => {
    if (mode === 'reset') return void socket.resetAndDestroy();
    if (mode === 'early') return void socket.end();
    if (mode === 'limit') return void socket.end('INSTREAM size limit exceeded. ERROR\0');
    taken = Buffer.concat([taken, chunk]);
    if (taken.toString('latin1', 0, 8) === 'nVERSION') return void version(socket, mode);
    const message = unframed(taken);
    if (message === null || mode === 'stall') return;
    state.received = message;
    state.scans -= 1;
    const honest = message.includes(EICAR) ? 'found' : 'ok';
    socket.end(ANSWERS[mode === 'honest' ? honest : mode] ?? '');
  });
}

const ANSWERS: Readonly<Record<string, string>> = {
  ok: 'stream: OK\0',
  found: 'stream: Test.Signature FOUND\0',
  garbage: 'HTTP/1.1 400 Bad Request: OK\r\n\r\n',
  half: 'stream: ',
  enormous: 'stream: OK\0'.repeat(100_000),
};

function version(socket: Socket, mode: ClamdMode): void {
  if (mode === 'stall') return;
  socket.end(
    mode === 'ok' || mode === 'found' || mode === 'honest'
      ? 'ClamAV 1.4.6/27500/Mon Nov 23 09:00:00 2026\n'
      : (ANSWERS[mode] ?? ''),
  );
}

/** The bytes of INSTREAM's chunks; null before the last one, which is empty. */
function unframed(taken: Buffer): Buffer | null {
  const chunks: Buffer[] = [];
  for (let at = 'zINSTREAM\0'.length; at + 4 <= taken.length; ) {
    const size = taken.readUInt32BE(at);
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(taken.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return null;
}
