// What the attacks on the dialogue share for TLS: a certificate, and a client that goes through STARTTLS.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type Certificate, selfSigned } from '../../src/platform/certificate.ts';
import { LineClient } from '../support/smtp-script.ts';

export async function temporaryTls(): Promise<Certificate> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'));
  try {
    return await selfSigned(folder, 'mx.example.org');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What was said in clear, and the client behind the handshake; null where there was none. */
export interface Upgrade {
  readonly clear: string;
  readonly client: LineClient | null;
}

/** Sends the chunks in clear, the last of which has STARTTLS in it; shakes hands when its 220 has come. */
export async function upgrade(port: number, chunks: readonly string[]): Promise<Upgrade> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  let clear = '';
  const isClosed = new Promise<null>(resolve => socket.once('close', () => resolve(null)));
  const heard = (what: RegExp) =>
    new Promise<true>(resolve => {
      const listen = (chunk: Buffer) => {
        clear += chunk.toString('latin1');
        if (!what.test(clear)) return;
        socket.off('data', listen);
        resolve(true);
      };
      socket.on('data', listen);
    });
  if ((await Promise.race([heard(/^220 .*\r\n/), isClosed])) === null) return { clear, client: null };
  const isReady = heard(/^220 2\.0\.0 .*\r\n/m);
  for (const chunk of chunks) {
    socket.write(chunk, 'latin1');
    await new Promise(resolve => setImmediate(resolve));
  }
  if ((await Promise.race([isReady, isClosed])) === null) return { clear, client: null };
  const secure = connectTls({ socket, rejectUnauthorized: false });
  const isSecure = await new Promise<boolean>(resolve => {
    secure.once('secureConnect', () => resolve(true));
    secure.once('error', () => resolve(false)).once('close', () => resolve(false));
  });
  if (!isSecure) {
    secure.destroy();
    return { clear, client: null };
  }
  return { clear, client: LineClient.over(secure) };
}

/** A client within TLS, before its EHLO. */
export async function upgraded(port: number): Promise<LineClient> {
  const { client, clear } = await upgrade(port, ['EHLO c.example\r\n', 'STARTTLS\r\n']);
  if (client === null) throw new Error(`no handshake after ${clear}`);
  return client;
}
