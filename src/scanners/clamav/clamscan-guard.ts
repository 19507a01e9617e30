// The package clamscan with everything around it that it lacks (each seen to happen): a deadline that ends a silent
// clamd, backpressure, a bound on the reply, and errors that do not get lost. Called by clamav.ts alone. It gives back
// clamd's own words; what they mean is answer.ts.

import { type Duplex, Readable } from 'node:stream';

import NodeClam from 'clamscan';

import type { SpoolEntry } from '../../mail/ports.ts';
import { PIECE_BYTES, readPieces } from '../../platform/content.ts';
import { withEither } from '../../platform/deadline.ts';
import { type ClamdAddress, ClamdLink, ClamdLost } from './clamd-link.ts';

/** Of conversations that have ended as they should: an error made for each would cost a stack. */
const OVER = new Error('the conversation is over');

/** Once more, and slower: clamd was restarted, or its words were lost in a reset (see ClamdLink). */
const PACES_MS = [0, 5, 20];

/** The bytes are not as many as there should be. */
class ContentChanged extends Error {
  override readonly name = 'ContentChanged';
}

/** What clamd says cannot be of this message. */
class TooEarly extends Error {
  override readonly name = 'TooEarly';
}

/** Hands clamscan our link in the place of its own socket. One instance is one conversation. */
class LinkedClam extends NodeClam {
  readonly #connect: () => Promise<Duplex>;

  constructor(connect: () => Promise<Duplex>) {
    super();
    this.#connect = connect;
    this.scanner = 'clamdscan';
    // init() would look for programs on this host; the address is not used, but must be there.
    const clamdscan = { socket: 'see _initSocket', localFallback: false };
    this.settings = { ...this.defaults, clamdscan };
  }

  override _initSocket(): Promise<Duplex> {
    return this.#connect();
  }
}

/**
 * What clamd says of the message, its words unchanged: `stream: OK`. Rejects with the reason of the signal, and with any
 * failure; the socket and the file are closed then too. The message must have bytes.
 */
export async function scanMessage(address: ClamdAddress, message: Message, signal: AbortSignal): Promise<string> {
  for (const paceMs of PACES_MS) {
    try {
      return await scanOnce({ address, paceMs }, message, signal);
    } catch (error) {
      if (!(error instanceof ClamdLost)) throw error;
    }
  }
  throw new ClamdLost('clamd closed the connection without an answer, three times');
}

type Message = Pick<SpoolEntry, 'content' | 'sizeBytes'>;

interface Line {
  readonly address: ClamdAddress;
  readonly paceMs: number;
}

function scanOnce(line: Line, message: Message, signal: AbortSignal): Promise<string> {
  return converse(line, signal, async (clam, link, control) => {
    const body = Readable.from(chunks(message, link), { objectMode: false, highWaterMark: PIECE_BYTES });
    body.once('error', error => control.abort(error));
    // Also where clamscan's promise never settles: else the file is open until garbage is collected.
    control.signal.addEventListener('abort', () => body.destroy(), { once: true });
    try {
      await clam.scanStream(body);
      // Not what clamscan makes of it: that is trimmed, so that more than the exact words would be clean.
      const said = link().reply();
      if (said === '') throw new Error('clamd gave no answer');
      return inTime(said, link());
    } catch (error) {
      // clamscan rejects with a text of its own around what clamd said (ERROR, or an answer before the end).
      const said = link().reply();
      if (said === '' || error instanceof ContentChanged || error instanceof TooEarly) throw error;
      return inTime(said, link());
    } finally {
      body.destroy();
    }
  });
}

/** An error may come at any time (the size limit), and what is found is found; "OK" of a part is no answer (I8). */
function inTime(said: string, link: ClamdLink): string {
  if (link.isEarly && said.includes('OK')) throw new TooEarly('clamd answered before it had the whole message');
  return said;
}

/** `ClamAV 1.4.6/27500/Mon Nov 23 09:00:00 2026`, without the slashes where there is no database. */
export function askVersion(address: ClamdAddress, signal: AbortSignal): Promise<string> {
  return converse({ address, paceMs: 0 }, signal, clam => clam.getVersion());
}

/** `control`: aborted with the reason why there is no answer, and at the end in any case. */
type Talk = (clam: NodeClam, link: () => ClamdLink, control: AbortController) => Promise<string>;

async function converse({ address, paceMs }: Line, signal: AbortSignal, talk: Talk): Promise<string> {
  signal.throwIfAborted();
  const control = new AbortController();
  let link: ClamdLink | null = null;
  // clamscan's promise settles in none of these cases; ours does.
  const fail = (reason: Error) => control.abort(reason);
  const connect = async () => {
    link = new ClamdLink(address, paceMs, fail);
    await link.connected();
    link.gather();
    return link;
  };
  const current = () => {
    if (link === null) throw new Error('not connected to clamd');
    return link;
  };
  try {
    return await withEither(signal, control.signal, () => talk(new LinkedClam(connect), current, control));
  } finally {
    (link as ClamdLink | null)?.destroy();
    control.abort(OVER);
  }
}

/** clamd's StreamMaxLength is counted per connection, so the size of a piece is ours to choose. */
async function* chunks({ content, sizeBytes }: Message, link: () => ClamdLink): AsyncGenerator<Uint8Array> {
  let left = sizeBytes;
  for await (const piece of readPieces(content)) {
    left -= piece.length;
    yield piece;
    await link().ready();
  }
  if (left > 0) throw new ContentChanged(`the message lacks ${left} bytes`);
  link().whole();
}
