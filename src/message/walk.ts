// Walks the MIME tree of a message (RFC 2046 section 5.1) over its raw bytes, once, from front to back; time grows
// with the size and not with the nesting. Called by read.ts. Every budget that ends becomes a problem, never an error.

import type { Unreadable } from '../mail/message.ts';
import { Boundaries, type Delimiter, guessBoundary } from './boundaries.ts';
import { Defects } from './defects.ts';
import { contentEnd, type HeaderSection, readHeaderSection } from './header.ts';
import type { MessageLimits } from './limits.ts';
import { type PartPlace, TreePart } from './part.ts';

export interface Tree {
  /** Parents before children; the first is the message itself. */
  readonly parts: readonly TreePart[];
  readonly defects: Defects;
  readonly problems: readonly Unreadable[];
}

/** RFC 5322 3.6, and MIME-Version. */
const ONCE =
  /^(?:date|from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|subject|mime-version|content-disposition)$/;

export function walk(bytes: Buffer, limits: MessageLimits): Tree {
  const budget: Budget = { limits, parts: [], defects: new Defects(), problems: [], nestedBytes: 0, fields: 0 };
  new Walk(bytes, null, budget).run('', 0);
  const root = budget.parts[0];
  if (root !== undefined) noteDuplicates(root, budget.defects);
  return budget;
}

/** What all buffers of one message share: the message itself and the decoded messages within it. */
interface Budget {
  readonly limits: MessageLimits;
  readonly parts: TreePart[];
  readonly defects: Defects;
  readonly problems: Unreadable[];
  nestedBytes: number;
  fields: number;
}

/** A part whose end has not been seen. Its level is its place in the stack. */
interface Open {
  readonly part: TreePart;
  /** Known to `Boundaries` under this; null for what is no multipart. */
  boundary: string | null;
  /** A multipart that was looked into. */
  isSplit: boolean;
  isClosed: boolean;
}

interface Start {
  readonly at: number;
  readonly path: string;
  readonly defaultType: string;
}

class Walk {
  readonly #bytes: Buffer;
  readonly #within: string | null;
  readonly #budget: Budget;
  readonly #boundaries = new Boundaries();
  readonly #open: Open[] = [];
  #baseDepth = 0;

  constructor(bytes: Buffer, within: string | null, budget: Budget) {
    this.#bytes = bytes;
    this.#within = within;
    this.#budget = budget;
  }

  run(path: string, baseDepth: number): void {
    this.#baseDepth = baseDepth;
    let start: Start | null = { at: 0, path, defaultType: 'text/plain' };
    while (start !== null) start = this.#part(start);
    this.#closeAbove(-1, this.#bytes.length);
  }

  /** Reads one part's header; says where the next part starts, null where there is none. */
  #part(start: Start): Start | null {
    const { parts, limits } = this.#budget;
    if (parts.length >= limits.parts) {
      this.#problem(`more than ${limits.parts} parts`, start.path);
      return null;
    }
    const section = this.#header(start);
    const part = new TreePart(this.#place(start), section, this.#budget.defects);
    parts.push(part);
    const open: Open = { part, boundary: null, isSplit: false, isClosed: false };
    this.#open.push(open);
    if (section.endedBy === 'delimiter') return this.#next(this.#boundaries.match(this.#bytes, section.bodyStart));
    if (part.isMessage && part.encoding === 'identity' && this.#mayDescend(part, this.#depth())) {
      part.children = 1;
      return { at: part.bodyStart, path: childPath(part), defaultType: 'text/plain' };
    }
    if (part.isMultipart && this.#mayDescend(part, this.#depth())) this.#openMultipart(open);
    return this.#next(this.#boundaries.find(this.#bytes, part.bodyStart));
  }

  /** Closes what a delimiter ends, and goes on to the first that begins a part. */
  #next(found: Delimiter | null): Start | null {
    for (let delimiter = found; delimiter !== null; ) {
      this.#closeAbove(delimiter.level, delimiter.lineStart);
      const open = this.#open[delimiter.level];
      if (open === undefined) return null;
      if (!delimiter.isClose) {
        // Some clients read on after the close delimiter, so what stands there is looked at as well.
        if (open.isClosed) this.#budget.defects.add('MIME_PARTS_AFTER_CLOSE', open.part.path);
        open.part.children++;
        const defaultType = open.part.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
        return { at: delimiter.next, path: childPath(open.part), defaultType };
      }
      open.isClosed = true;
      if (open.boundary !== null && this.#boundaries.hides(open.boundary)) {
        this.#boundaries.drop(open.boundary);
        open.boundary = null;
      }
      delimiter = this.#boundaries.find(this.#bytes, delimiter.next);
    }
    return null;
  }

  /** Every part above `level` ends here; the line end before a delimiter belongs to the delimiter. */
  #closeAbove(level: number, at: number): void {
    const end = at === this.#bytes.length ? at : contentEnd(this.#bytes, 0, at);
    while (this.#open.length > level + 1) {
      const open = this.#open.pop();
      if (open === undefined) return;
      const { part, boundary } = open;
      part.bodyEnd = Math.max(part.bodyStart, end);
      if (boundary !== null) this.#boundaries.drop(boundary);
      if (part.isMultipart) noteEnd(open, this.#budget.defects);
      if (part.isMessage && part.encoding !== 'identity') this.#descendEncoded(part);
    }
  }

  #header(start: Start): HeaderSection {
    const { limits, defects } = this.#budget;
    const section = readHeaderSection(this.#bytes, start.at, {
      maxBytes: limits.headerBytes,
      maxFields: limits.headerFields - this.#budget.fields,
      isDelimiter: lineStart => this.#boundaries.match(this.#bytes, lineStart) !== null,
    });
    this.#budget.fields += section.fields.length;
    if (section.endedBy !== 'empty line') defects.add('MIME_HEADER_NO_END', start.path);
    if (section.strayLine !== '') defects.add('MIME_HEADER_STRAY_LINE', section.strayLine);
    if (section.hasMboxLine) defects.add('MIME_HEADER_MBOX_LINE');
    if (section.hasNul) defects.add('MIME_HEADER_NUL', start.path);
    if (section.hasBareCr) defects.add('MIME_HEADER_BARE_CR', start.path);
    if (section.over === 'headerBytes') this.#problem(`a header of more than ${limits.headerBytes} bytes`, start.path);
    if (section.over === 'headerFields') this.#problem(`more than ${limits.headerFields} header fields`, start.path);
    return section;
  }

  #openMultipart(open: Open): void {
    const { part } = open;
    open.isSplit = true;
    if (part.boundary === '') this.#budget.defects.add('MIME_BOUNDARY_MISSING', part.path);
    open.boundary = part.boundary || guessBoundary(this.#bytes, part.bodyStart) || null;
    if (open.boundary === null) return;
    const isNew = this.#boundaries.open(open.boundary, this.#open.length - 1);
    if (!isNew) this.#budget.defects.add('MIME_BOUNDARY_REUSED', open.boundary);
  }

  /** A message in base64 or quoted-printable, which RFC 2046 5.2.1 forbids and clients open. */
  #descendEncoded(part: TreePart): void {
    const budget = this.#budget;
    const depth = this.#depth() + 1; // It is closed already, and counts all the same.
    if (!this.#mayDescend(part, depth)) return;
    if (budget.nestedBytes + part.bodyEnd - part.bodyStart > budget.limits.nestedBytes) {
      this.#problem(`messages within messages of more than ${budget.limits.nestedBytes} bytes`, part.path);
      return;
    }
    const bytes = part.decoded();
    budget.nestedBytes += bytes.length;
    part.children = 1;
    new Walk(bytes, part.path, budget).run(childPath(part), depth);
  }

  #mayDescend(part: TreePart, depth: number): boolean {
    const { limits, defects } = this.#budget;
    if (depth <= limits.depth) return true;
    defects.add('MIME_TOO_DEEP', part.path);
    this.#problem(`nested deeper than ${limits.depth} levels`, part.path);
    return false;
  }

  #depth(): number {
    return this.#baseDepth + this.#open.length;
  }

  /** One of each reason: a thousand parts too deep are one problem. */
  #problem(reason: string, part: string): void {
    const { problems } = this.#budget;
    if (problems.every(problem => problem.reason !== reason)) problems.push({ kind: 'unscannable', reason, part });
  }

  #place({ at, path, defaultType }: Start): PartPlace {
    return { bytes: this.#bytes, within: this.#within, path, start: at, defaultType };
  }
}

function noteEnd({ part, boundary, isSplit, isClosed }: Open, defects: Defects): void {
  if (!isSplit) return;
  if (part.children === 0) defects.add('MIME_NO_PARTS', part.path);
  else if (!isClosed && boundary !== null) defects.add('MIME_MULTIPART_UNCLOSED', part.path);
}

function noteDuplicates(root: TreePart, defects: Defects): void {
  const seen = new Set<string>();
  for (const { lowerName } of root.headers) {
    if (!ONCE.test(lowerName)) continue;
    if (!seen.has(lowerName)) seen.add(lowerName);
    else if (lowerName === 'from') defects.add('MIME_DUPLICATE_FROM');
    else if (lowerName === 'subject') defects.add('MIME_DUPLICATE_SUBJECT');
    else defects.add('MIME_DUPLICATE_HEADER', lowerName);
  }
}

function childPath(part: TreePart): string {
  return part.path === '' ? String(part.children) : `${part.path}.${part.children}`;
}
