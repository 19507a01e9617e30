// The HTTP server, for two places: TCP (health, metrics) and a unix socket that is ours alone (control). Routes are a
// plain list made in main.ts. No stack trace, path or version leaves here.

import { chmod, lstat } from 'node:fs/promises';

import { type FastifyInstance, fastify } from 'fastify';

import { withDeadline } from './deadline.ts';
import { errorText, type Log } from './log.ts';
import { removeFile } from './safe-file.ts';
import { askSocket } from './unix-socket.ts';

export interface HttpCall {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Parsed JSON, undefined without a body. */
  readonly body: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string;
  /** For `text`; `text/plain; charset=utf-8` unless told. */
  readonly contentType?: string;
}

export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/quarantine/:id`. */
  readonly path: string;
  /** An error it throws becomes 500 without its words, which go to the log. */
  readonly handler: (call: HttpCall) => Promise<HttpAnswer>;
}

export interface HttpServerOptions {
  /** In the log. */
  readonly name: string;
  readonly routes: readonly HttpRoute[];
  /** Largest request body in bytes; default 64 KiB. */
  readonly bodyLimitBytes?: number;
  /** For a handler; default 60 s, for a release waits for the next hop. */
  readonly handlerMs?: number;
  readonly log: Log;
}

export type HttpPlace = { readonly host: string; readonly port: number } | { readonly socketPath: string };

export interface HttpServer {
  /** Resolves with the port (0 for a socket). A socket gets mode 0600; a stale one is removed. */
  listen(place: HttpPlace): Promise<number>;
  /** Running handlers may end, idle connections are cut. */
  close(): Promise<void>;
}

const BODY_LIMIT_BYTES = 64 * 1024;
const HANDLER_MS = 60_000;
/** For a whole request to arrive. */
const REQUEST_MS = 15_000;
const KEEP_ALIVE_MS = 10_000;
const MAX_CONNECTIONS = 100;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const server = fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes ?? BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_MS,
    connectionTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 500 },
    exposeHeadRoutes: false,
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  // Who types the address without a page is told which there are; /health says nothing that this hides.
  const pages = options.routes.filter(({ method, path }) => method === 'GET' && !path.includes(':'));
  const error = `no such page; there is ${pages.map(({ path }) => path).join(', ')}`;
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error }));
  server.setErrorHandler((error, request, reply) => {
    const { statusCode } = error as { statusCode?: unknown };
    // Only what the client did wrong is told.
    const isClients = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
    if (isClients) return reply.code(statusCode).send({ error: errorText(error).slice(0, 200) });
    options.log.error({ http: options.name, method: request.method, err: errorText(error) }, 'http handler failed');
    return reply.code(500).send({ error: 'internal error, see the log' });
  });
  for (const route of options.routes) addRoute(server, route, options.handlerMs ?? HANDLER_MS);
  return {
    listen: async place => {
      if (!('socketPath' in place)) {
        // A copy: fastify writes into it, and these are the settings, which a reload compares.
        await server.listen({ ...place });
        const address = server.server.address();
        return typeof address === 'object' && address !== null ? address.port : place.port;
      }
      await removeStale(place.socketPath);
      await server.listen({ path: place.socketPath });
      await chmod(place.socketPath, 0o600);
      return 0;
    },
    close: () => server.close(),
  };
}

function addRoute(server: FastifyInstance, { method, path, handler }: HttpRoute, handlerMs: number): void {
  server.route({
    method,
    url: path,
    handler: async (request, reply) => {
      const call: HttpCall = {
        params: texts(request.params),
        query: texts(request.query),
        body: request.body,
      };
      const answer = await withDeadline(handlerMs, `${method} ${path}`, () => handler(call));
      reply.code(answer.status).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
      if (answer.text !== undefined) {
        return reply.type(answer.contentType ?? 'text/plain; charset=utf-8').send(answer.text);
      }
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer.body ?? {}));
    },
  });
}

/** Plain text values only: what was given twice is not there. */
function texts(given: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(typeof given === 'object' && given !== null ? given : {});
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** A socket that nobody listens on is left from a crash; one that somebody answers is another Postern's. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw new Error(`${path} is in the way: it is no socket`);
  try {
    await askSocket(path, { send: 'GET / HTTP/1.0\r\n\r\n', isWhole: text => text !== '' }, AbortSignal.timeout(2000));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ECONNREFUSED') return removeFile(path);
  }
  throw new Error(`another Postern is running: it listens on ${path}`);
}
