// The control socket: how the command line asks the running gateway to do something. Only we can open the socket, so it
// has no password. Everything that changes goes through here; what only reads may open the database itself.

import { isCopyId } from '../mail/mail-id.ts';
import type { HttpAnswer, HttpCall, HttpRoute } from '../platform/http.ts';
import { BadFile } from '../platform/problem.ts';
import type { FileQuarantine } from '../quarantine/quarantine.ts';
import type { DeleteResult, Deliver, ReleaseResult } from '../quarantine/release.ts';
import type { HealthReport } from './health.ts';
import type { Reloaded } from './reloaded.ts';
import type { TopSample } from './top.ts';
import type { Waiting } from './waiting.ts';

/** The name of the socket in the data folder. */
export const CONTROL_SOCKET = 'control.sock';

export interface Status {
  readonly version: string;
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[];
  /** What its listeners say in their greeting: a next hop that says it is the gateway itself. */
  readonly greetingWord: string;
  readonly rules: { readonly digest: string; readonly count: number };
  readonly waiting: Waiting;
  readonly health: HealthReport;
}

/** Thrown where a part is asked for that is not there yet: the socket answers before the start is done. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';

  constructor() {
    super('the gateway is starting, try again in a moment');
  }
}

/** Each may throw NotStarted. */
export interface Controlled {
  status(): Promise<Status>;
  top(): Promise<TopSample>;
  /** Throws BadFile: then nothing has changed. */
  reload(): Promise<Reloaded>;
  quarantine(): FileQuarantine;
  readonly deliver: Deliver;
}

export function controlRoutes(controlled: Controlled): HttpRoute[] {
  const { quarantine, deliver } = controlled;
  const routes: HttpRoute[] = [
    { method: 'GET', path: '/status', handler: async () => ({ status: 200, body: await controlled.status() }) },
    { method: 'GET', path: '/top', handler: async () => ({ status: 200, body: await controlled.top() }) },
    { method: 'POST', path: '/reload', handler: () => reload(controlled) },
    {
      method: 'POST',
      path: '/quarantine/:id/release',
      handler: call => onItem(call, (id, order) => quarantine().release(id, { ...order, deliver })),
    },
    {
      method: 'DELETE',
      path: '/quarantine/:id',
      handler: call => onItem(call, (id, order) => quarantine().delete(id, order)),
    },
  ];
  return routes.map(route => ({ ...route, handler: call => whenStarted(() => route.handler(call)) }));
}

async function whenStarted(handle: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await handle();
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    return { status: 503, body: { error: error.message } };
  }
}

async function reload(controlled: Controlled): Promise<HttpAnswer> {
  try {
    return { status: 200, body: await controlled.reload() };
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    return { status: 422, body: { problems: error.problems } };
  }
}

type ItemId = Parameters<FileQuarantine['release']>[0];

async function onItem(
  { params, body }: HttpCall,
  work: (id: ItemId, order: { by: string; force: boolean }) => Promise<ReleaseResult | DeleteResult>,
): Promise<HttpAnswer> {
  const id = params.id ?? '';
  if (!isCopyId(id)) return { status: 400, body: { error: 'no id of a copy, such as 01k9x2m4q8a7b3c5d6-1' } };
  const { by = 'control socket', force = false } = (body ?? {}) as { by?: string; force?: boolean };
  const result = await work(id, { by: String(by), force: force === true });
  return { status: OK.has(result.kind) ? 200 : 409, body: result };
}

/** How an order on an item ends well. */
const OK: ReadonlySet<string> = new Set(['released', 'deleted']);
