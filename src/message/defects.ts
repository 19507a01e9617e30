// What is odd about a message's form, collected while it is read. Each symbol is a fact; the rules give it points.

import type { Defect } from '../mail/message.ts';

/** Every symbol this room can state, with what it means. */
export const DEFECTS = {
  MIME_HEADER_NO_END: 'A header section is not ended by an empty line',
  MIME_HEADER_STRAY_LINE: 'A line among the header fields is no field',
  MIME_HEADER_MBOX_LINE: 'The message begins with the "From " line of an mbox file',
  MIME_HEADER_NUL: 'NUL in a header section',
  MIME_HEADER_BARE_CR: 'CR without LF in a header section',
  MIME_DUPLICATE_FROM: 'More than one From field',
  MIME_DUPLICATE_SUBJECT: 'More than one Subject field',
  MIME_DUPLICATE_HEADER: 'More than one field of a name that may stand only once (RFC 5322 3.6)',
  MIME_DUPLICATE_CONTENT_TYPE: 'A part has the same Content-Type twice',
  MIME_CONFLICTING_CONTENT_TYPE: 'A part has two Content-Type fields that differ',
  MIME_DUPLICATE_ENCODING: 'A part has the same Content-Transfer-Encoding twice',
  MIME_CONFLICTING_ENCODING: 'A part has two Content-Transfer-Encoding fields that differ',
  MIME_DUPLICATE_PARAMETER: 'A parameter that says how to read a part is given twice',
  MIME_BAD_CONTENT_TYPE: 'A Content-Type that is no type',
  MIME_UNKNOWN_ENCODING: 'A Content-Transfer-Encoding that does not exist',
  MIME_ENCODED_MULTIPART: 'A multipart with a transfer encoding, which RFC 2045 6.4 forbids',
  MIME_UNKNOWN_CHARSET: 'Text in a charset that nobody knows',
  MIME_BOUNDARY_MISSING: 'A multipart without a usable boundary parameter',
  MIME_BOUNDARY_REUSED: 'A multipart within a multipart of the same boundary',
  MIME_NO_PARTS: 'A multipart without a part',
  MIME_MULTIPART_UNCLOSED: 'A multipart that is not closed',
  MIME_PARTS_AFTER_CLOSE: 'A multipart that goes on after its end',
  MIME_TOO_DEEP: 'Parts nested deeper than the limit',
  MIME_TEXT_CUT: 'More text or HTML than is read',
  MIME_LINKS_CUT: 'More links than are kept',
} as const;

export type DefectSymbol = keyof typeof DEFECTS;

const EVIDENCE_MAX = 200;

export class Defects {
  readonly #found = new Map<DefectSymbol, Defect>();

  /** The first of each symbol counts: a million broken parts make one defect. */
  add(symbol: DefectSymbol, evidence = ''): void {
    if (!this.#found.has(symbol)) this.#found.set(symbol, { symbol, evidence: evidence.slice(0, EVIDENCE_MAX) });
  }

  list(): readonly Defect[] {
    return [...this.#found.values()];
  }
}
