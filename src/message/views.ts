// The views of a message (src/mail/message.ts), each computed once and when asked for. Called by read.ts. Everything
// here is bounded by the limits; what is cut is said as a defect.

import { hash } from 'node:crypto';

import type { Attachment, Link } from '../mail/message.ts';
import { decodeCharset } from './charset.ts';
import type { Defects } from './defects.ts';
import { first } from './header.ts';
import { type HtmlReading, readHtml } from './html.ts';
import type { MessageLimits } from './limits.ts';
import { makeLink, textLink } from './links.ts';
import type { TreePart } from './part.ts';
import { foldText, urlsInText } from './plain.ts';
import type { Tree } from './walk.ts';

/** A part that a client shows as text. */
interface TextPart {
  readonly kind: 'plain' | 'html';
  /** Charset applied, cut to its budget. */
  readonly source: string;
}

/** What is read out of the text parts: text() and links() come from the same pass over the HTML. */
interface Rendered {
  readonly text: string;
  readonly pages: readonly HtmlReading[];
}

export class Views {
  readonly #parts: readonly TreePart[];
  readonly #defects: Defects;
  readonly #limits: MessageLimits;
  #textParts: readonly TextPart[] | null = null;
  #rendered: Rendered | null = null;
  #raw: string | null = null;
  #links: readonly Link[] | null = null;
  #attachments: readonly Attachment[] | null = null;

  constructor(tree: Tree, limits: MessageLimits) {
    this.#parts = tree.parts;
    this.#defects = tree.defects;
    this.#limits = limits;
  }

  text(): string {
    return this.#render().text;
  }

  raw(): string {
    this.#raw ??= this.#cut(
      this.#texts()
        .map(part => part.source)
        .join('\n'),
    );
    return this.#raw;
  }

  links(): readonly Link[] {
    this.#links ??= this.#findLinks();
    return this.#links;
  }

  attachments(): readonly Attachment[] {
    this.#attachments ??= this.#parts.filter(isAttachment).map(part => {
      const bytes = part.decoded();
      const { type } = part;
      return { name: part.name ?? '', type, sizeBytes: bytes.length, sha256: hash('sha256', bytes, 'hex') };
    });
    return this.#attachments;
  }

  #texts(): readonly TextPart[] {
    this.#textParts ??= this.#readTexts();
    return this.#textParts;
  }

  #readTexts(): TextPart[] {
    const texts: TextPart[] = [];
    let left = this.#limits.textBytes;
    for (const part of this.#parts) {
      const kind = textKind(part);
      if (kind === null) continue;
      if (left === 0) this.#defects.add('MIME_TEXT_CUT', part.path);
      // No charset gives more than one character a byte, so the bytes beyond are not even decoded. UTF-32 and the
      // like give less: they are cut early, at a place nobody reads to.
      const bytes = part.decoded();
      const charset = part.charset || (kind === 'html' ? metaCharset(bytes) : '');
      const { text, isKnown } = decodeCharset(bytes.subarray(0, left), charset);
      if (!isKnown) this.#defects.add('MIME_UNKNOWN_CHARSET', charset);
      if (bytes.length > left) this.#defects.add('MIME_TEXT_CUT', part.path);
      left = Math.max(0, left - bytes.length);
      texts.push({ kind, source: text });
    }
    return texts;
  }

  #render(): Rendered {
    this.#rendered ??= this.#renderAll();
    return this.#rendered;
  }

  #renderAll(): Rendered {
    const pages: HtmlReading[] = [];
    const lines = [decodedSubject(this.#parts)];
    for (const { kind, source } of this.#texts()) {
      if (kind === 'plain') {
        lines.push(foldText(source.replace(/\r\n?/g, '\n')));
      } else {
        const page = readHtml(source, this.#limits.links);
        pages.push(page);
        lines.push(page.text);
      }
    }
    return { text: `${this.#cut(lines.filter((line, i) => i === 0 || line !== '').join('\n'))}\n`, pages };
  }

  #cut(text: string): string {
    if (text.length <= this.#limits.textChars) return text;
    this.#defects.add('MIME_TEXT_CUT');
    return text.slice(0, this.#limits.textChars);
  }

  #findLinks(): readonly Link[] {
    const { links: max } = this.#limits;
    const { text, pages } = this.#render();
    const found = new Map<string, Link>();
    const add = (link: Link | null) => {
      if (link !== null && found.size <= max) found.set(`${link.source} ${link.shown}\n${link.url}`, link);
    };
    for (const page of pages) for (const raw of page.links) add(makeLink(raw, page.base));
    for (const url of urlsInText(text, max + 1)) add(textLink(url));
    if (found.size > max) this.#defects.add('MIME_LINKS_CUT', `more than ${max}`);
    return [...found.values()].slice(0, max);
  }
}

function decodedSubject(parts: readonly TreePart[]): string {
  return first(parts[0]?.headers ?? [], 'subject')?.value ?? '';
}

/** By declared type, and by a name that makes clients open it as HTML. An attached text is read like any other. */
function textKind(part: TreePart): TextPart['kind'] | null {
  if (part.isMessage) return null;
  // A multipart that could not be split: some clients show it as it stands.
  if (part.isMultipart) return part.children === 0 ? 'plain' : null;
  if (/\.(?:s?html?|xht(?:ml)?)$/i.test(part.name ?? '')) return 'html';
  if (/^text\/(?:html|x-amp-html)$|^application\/xhtml\+xml$/.test(part.type)) return 'html';
  return part.type.startsWith('text/') ? 'plain' : null;
}

/** What HTML says of itself where its part says nothing (HTML 13.2.3.2: in its first 1024 bytes, never UTF-16). */
function metaCharset(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, 1024);
  const charset = /<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w:.-]{1,40})/i.exec(start)?.[1] ?? '';
  return /^utf-?(?:7|16|32)/i.test(charset) ? '' : charset;
}

/** What a client lists beside the text. A message within the message counts where it has a name or says so. */
function isAttachment(part: TreePart): boolean {
  if (part.isMultipart) return false;
  if (part.disposition === 'attachment' || part.name !== null) return part.path !== '' || !part.isMessage;
  if (part.isMessage) return false;
  return !/^text\/(?:plain|html|x-amp-html)$/.test(part.type);
}
