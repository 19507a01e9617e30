// The client of the control socket: how the command line asks the running gateway. Apart from the server, so that a
// command starts fast.

import { request as httpRequest } from 'node:http';

import { withDeadline } from './deadline.ts';

/** What the control socket answers with at most: a page of a list, a story. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;
/** A release may take 9 minutes (assembly/release.ts) and the gateway gives up after 10: its word is worth waiting for. */
const CONTROL_MS = 11 * 60_000;

/** The command line could not reach the gateway: nobody listens. */
export class GatewayNotRunning extends Error {
  override readonly name = 'GatewayNotRunning';
}

export interface ControlAnswer {
  readonly status: number;
  /** Parsed where it is JSON, else text. */
  readonly body: unknown;
}

/** One request over the control socket. `body` is sent as JSON, undefined for none. Throws GatewayNotRunning. */
export async function controlRequest(
  socketPath: string,
  call: { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string; readonly body?: unknown },
): Promise<ControlAnswer> {
  return withDeadline(CONTROL_MS, 'the gateway', signal => exchange(socketPath, call, signal)).catch(error => {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'ECONNREFUSED') {
      throw new GatewayNotRunning(
        `the gateway is not running (nobody listens on ${socketPath}): start it with postern serve`,
        {
          cause: error,
        },
      );
    }
    if (code === 'EACCES')
      throw new Error(`not allowed to use ${socketPath}: run this as the user the gateway runs as`, { cause: error });
    throw error;
  });
}

function exchange(
  socketPath: string,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body?: unknown },
  signal: AbortSignal,
): Promise<ControlAnswer> {
  const sent = body === undefined ? null : JSON.stringify(body);
  const headers =
    sent === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, headers, signal, agent: false }, response => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > ANSWER_MAX_BYTES) request.destroy(new Error('the answer of the gateway is too long'));
      });
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        try {
          resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(text) : text });
        } catch (error) {
          reject(new Error('the answer of the gateway cannot be read', { cause: error }));
        }
      });
    });
    request.on('error', reject);
    request.end(sent ?? undefined);
  });
}
