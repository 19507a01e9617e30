// The one place that acts on a verdict (I3): relay in this very session, hold, refuse, defer or discard. Says what the
// client is told and what became of the copies; the caller writes the books.

import type { Disposition, State } from '../../mail/disposition.ts';
import { HopLost, replyOf } from '../../mail/error.ts';
import type { Outcome } from '../../mail/policy.ts';
import type { HopTransaction } from '../../mail/ports.ts';
import { hopWords, mirrored, REPLIES, type Reply, replyText } from '../../mail/reply.ts';
import { DeadlinePassed, orAborted } from '../../platform/deadline.ts';
import { errorText } from '../../platform/log.ts';

export interface Action {
  readonly outcome: Outcome;
  /** The next hop's open transaction, all recipients accepted. */
  readonly hop: HopTransaction;
  /** Stamp and content as they go on; reading it twice gives the same bytes. */
  readonly body: () => AsyncIterable<Uint8Array>;
  /** Fires when the client has gone: nothing may be passed on or held from then. */
  readonly gone: AbortSignal;
  /** Epoch milliseconds: what is not with the next hop by `passBy` is not passed on; its reply is awaited until `replyBy`. */
  readonly passBy: number;
  readonly replyBy: number;
  /** Fires with a HopLost when Postern stops and waits no longer for what the next hop says. */
  readonly ending: AbortSignal;
  /** Takes the message into quarantine; resolves when it is safe on our side, `said` is what the client is told. */
  readonly hold: (said: Reply) => Promise<void>;
  readonly passHopText: boolean;
}

export interface Acted {
  readonly reply: Reply;
  readonly disposition: Disposition;
  /** For our log, '' where all went as it should. */
  readonly trouble: string;
}

export async function act(action: Action): Promise<Acted> {
  if (action.gone.aborted) return abandoned('the client had gone before the decision');
  switch (action.outcome) {
    case 'accept':
    case 'tag':
      return relay(action);
    case 'quarantine':
      return hold(action);
    case 'discard':
      return ours('discarded', REPLIES.accepted);
    case 'defer':
      return ours('deferred', REPLIES.deferred);
    case 'reject':
      return ours('refused', REPLIES.rejected);
  }
}

async function relay({ hop, body, gone, ending, passHopText, passBy, replyBy }: Action): Promise<Acted> {
  // Not withDeadline: after the dot the signal counts no more, and the hop's reply does.
  const end = new AbortController();
  const { signal } = end;
  const onLate = () => end.abort(new DeadlinePassed('not passed on in time'));
  const onGone = () => end.abort(gone.reason);
  if (gone.aborted) onGone();
  else gone.addEventListener('abort', onGone, { once: true });
  const timer = setTimeout(onLate, Math.max(0, passBy - Date.now()));
  try {
    if (Date.now() >= passBy) onLate();
    const said = await orAborted(ending, hop.data(whileHere(body(), signal), signal, replyBy));
    const words = hopWords(said);
    const isTaken = said.code >= 200 && said.code <= 299;
    const reply = isTaken ? REPLIES.accepted : mirrored(said, passHopText);
    const state = isTaken ? 'relayed' : refusalState(reply);
    return { reply, disposition: { state, words, host: hop.host }, trouble: isTaken ? '' : `next hop said ${words}` };
  } catch (error) {
    const trouble = errorText(error);
    if (error instanceof HopLost && error.afterDot) {
      return { reply: error.reply, disposition: { state: 'unknown', words: trouble, host: hop.host }, trouble };
    }
    if (gone.aborted) return abandoned('the client had gone before the message was passed on');
    const reply = replyOf(error);
    return { reply, disposition: { state: refusalState(reply), words: replyText(reply), host: '' }, trouble };
  } finally {
    clearTimeout(timer);
    gone.removeEventListener('abort', onGone);
  }
}

async function hold(action: Action): Promise<Acted> {
  await action.hold(REPLIES.accepted);
  return ours('held', REPLIES.accepted);
}

/** The books say what the sender was told. */
export function refusalState(reply: Reply): 'refused' | 'deferred' {
  return reply.code >= 500 ? 'refused' : 'deferred';
}

function ours(state: State, reply: Reply): Acted {
  return { reply, disposition: { state, words: replyText(reply), host: '' }, trouble: '' };
}

function abandoned(why: string): Acted {
  return {
    reply: REPLIES.unknownError,
    disposition: { state: 'abandoned', words: why, host: '' },
    trouble: why,
  };
}

/** The body, which fails instead of ending when the client has gone or it is late: the next hop then never sees the dot. */
async function* whileHere(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    signal.throwIfAborted();
    yield chunk;
  }
  signal.throwIfAborted();
}
