// What a release mark is bound to: the content of the message it was made for. Computed at release over the bytes that go
// out, and at intake over the bytes that came back, when their mark has the right form. What servers on the way add and
// change (trace fields, lists' subjects) is left out; whatever decides how the content reads is in.

import { createHash } from 'node:crypto';

/** Longer header sections have no digest: no mark is made for them, and none is believed. */
const HEADER_MAX = 1024 * 1024;
/** Newlines are replayed in pieces of this size: a body of nothing else costs no memory. */
const NEWLINES_PIECE = 64 * 1024;

const FIELD = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/;
/** Other words here and the same body is another content: base64 that was plain text. */
const BOUND_FIELD = /^(?:content-[^:\s]*|mime-version)[ \t]*:/i;

/**
 * Hex digest of the Content-* and MIME-Version fields (folds and runs of blanks as one blank) and of all that stands
 * below the header section, empty lines at its end left out (RFC 6376 3.4.3). The header section ends at the first empty
 * line or the first line that is no field, whichever is first: nothing can hide between. null where it is too long.
 */
export async function markDigest(bytes: AsyncIterable<Uint8Array>): Promise<string | null> {
  const body = new BodyDigest();
  let header: string | null = '';
  for await (const piece of bytes) {
    const text = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength).toString('latin1').replaceAll('\r', '');
    if (header === null) body.push(text);
    else {
      header += text;
      if (header.startsWith('\n') || header.includes('\n\n')) {
        body.begin(header);
        header = null;
      } else if (header.length > HEADER_MAX) return null;
    }
  }
  if (header !== null) body.begin(header);
  return body.end();
}

class BodyDigest {
  readonly #hash = createHash('sha256');
  /** Newlines that count only when something follows. */
  #newlines = 0;

  /** The header section and the beginning of the body. */
  begin(text: string): void {
    let at = 0;
    let field = '';
    const fields: string[] = [];
    while (at < text.length) {
      const newline = text.indexOf('\n', at);
      const end = newline === -1 ? text.length : newline;
      const line = text.slice(at, end);
      const isFold = at > 0 && /^[ \t]/.test(line);
      if (!isFold && !FIELD.test(line)) break;
      if (!isFold) {
        fields.push(field);
        field = '';
      }
      if (isFold ? field !== '' : BOUND_FIELD.test(line)) field += `${line} `;
      at = end + 1;
    }
    fields.push(field);
    const bound = fields.filter(each => each !== '').map(each => each.replace(/[ \t]+/g, ' ').trim());
    this.#hash.update(`${JSON.stringify(bound)}\n`);
    // With the empty line that ends the header section: a message without it reads in another way.
    this.push(text.slice(at));
  }

  push(text: string): void {
    let end = text.length;
    while (end > 0 && text[end - 1] === '\n') end--;
    if (end > 0) {
      for (; this.#newlines > 0; this.#newlines -= NEWLINES_PIECE) {
        this.#hash.update('\n'.repeat(Math.min(this.#newlines, NEWLINES_PIECE)));
      }
      this.#newlines = 0;
      this.#hash.update(text.slice(0, end), 'latin1');
    }
    this.#newlines += text.length - end;
  }

  end(): string {
    return this.#hash.digest('hex');
  }
}
