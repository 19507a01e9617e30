// Raw bytes to a Message: the door of this folder. Called on the scan thread and by `check`. Takes anything, throws
// nothing: what is odd becomes a defect, what goes beyond a budget a problem.

import type { Attachment, Defect, Header, Link, Message, Part, Unreadable } from '../mail/message.ts';
import type { Defects } from './defects.ts';
import type { MessageLimits } from './limits.ts';
import { Views } from './views.ts';
import { walk } from './walk.ts';

/**
 * Walks the MIME tree now; the views come when asked for. `raw` is the message as it was handed over, with CRLF or LF
 * as line ends; it is kept, not copied, and must not change.
 */
export function readMessage(raw: Uint8Array, limits: MessageLimits): Message {
  const tree = walk(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), limits);
  return new ReadMessage(tree.parts, tree.problems, { defects: tree.defects, views: new Views(tree, limits) });
}

class ReadMessage implements Message {
  readonly headers: readonly Header[];
  readonly parts: readonly Part[];
  readonly #problems: readonly Unreadable[];
  readonly #defects: Defects;
  readonly #views: Views;

  constructor(parts: readonly Part[], problems: readonly Unreadable[], made: { defects: Defects; views: Views }) {
    this.headers = parts[0]?.headers ?? [];
    this.parts = parts;
    this.#problems = problems;
    this.#defects = made.defects;
    this.#views = made.views;
  }

  text(): string {
    return this.#views.text();
  }

  raw(): string {
    return this.#views.raw();
  }

  links(): readonly Link[] {
    return this.#views.links();
  }

  attachments(): readonly Attachment[] {
    return this.#views.attachments();
  }

  /** Some show only when text and links are made, so this makes them. */
  defects(): readonly Defect[] {
    this.#views.raw();
    this.#views.links();
    return this.#defects.list();
  }

  problems(): readonly Unreadable[] {
    return this.#problems;
  }
}
