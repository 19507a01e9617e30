// One CHECK of the spamc protocol, for the generator process: a connection a message, as spamc does it.

import { connect } from 'node:net';

/** `200` where spamd has judged the message, its own words where not, '' when it has gone. */
export function checkBySpamd(port: number, pieces: readonly Buffer[]): Promise<string> {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () =>
      resolve(/^SPAMD\/\S+ 0 /.test(answer) && answer.includes('\r\nSpam: ') ? '200' : (answer.split('\r\n')[0] ?? '')),
    );
    socket.cork();
    socket.write(`CHECK SPAMC/1.5\r\nContent-length: ${length}\r\n\r\n`);
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
  });
}
