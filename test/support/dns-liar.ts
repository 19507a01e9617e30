// A name server over UDP that misbehaves on demand: silent, garbage, refusing, failing, or answering everything with
// one address. For what a real name server does not do.

import { createSocket } from 'node:dgram';

export type LiarMode = 'silent' | 'garbage' | 'half' | 'refuse' | 'fail' | 'address';

export interface DnsLiar {
  /** As a resolver's server. */
  readonly server: string;
  /** Questions seen. */
  readonly questions: number;
  /** May be changed at any time. */
  mode: LiarMode;
  stop(): Promise<void>;
}

/** Mode `address` answers every question for A with `address`, living 60 seconds. */
export async function startDnsLiar(mode: LiarMode, address = '127.0.0.2'): Promise<DnsLiar> {
  const socket = createSocket('udp4');
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve));
  // A test that failed before its end must end all the same.
  socket.unref();
  const liar = {
    server: `127.0.0.1:${socket.address().port}`,
    questions: 0,
    mode,
    stop: () => new Promise<void>(resolve => socket.close(() => resolve())),
  };
  socket.on('message', (question, peer) => {
    liar.questions += 1;
    const reply = replyTo(question, liar.mode, address);
    if (reply !== null) socket.send(reply, peer.port, peer.address);
  });
  return liar;
}

function replyTo(question: Buffer, mode: LiarMode, address: string): Buffer | null {
  switch (mode) {
    case 'silent':
      return null;
    case 'garbage':
      return Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n');
    case 'half':
      return answer(question, 0, address).subarray(0, question.length - 3);
    case 'refuse':
      return answer(question, 5, null);
    case 'fail':
      return answer(question, 2, null);
    case 'address':
      return answer(question, 0, address);
  }
}

/** RFC 1035 4.1: header, the question as it came, and at most one A record that points back to its name. */
function answer(question: Buffer, code: number, address: string | null): Buffer {
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(address === null ? 0 : 1, 6);
  const asked = question.subarray(12, question.indexOf(0, 12) + 5);
  if (address === null) return Buffer.concat([header, asked]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, asked, record]);
}
