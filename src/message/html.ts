// HTML to the text a person reads and the links behind it. Uses htmlparser2's tokenizer and keeps no tree of elements:
// the parser above it searches its stack for every end tag, which a megabyte of open tags makes quadratic. Called by
// views.ts; never throws; time and memory grow with the HTML, which the caller has cut to its budget.

import { Tokenizer, type TokenizerCallbacks } from 'htmlparser2';

import type { LinkSource } from '../mail/message.ts';
import { foldText } from './plain.ts';

/** A link as the markup has it: entities decoded, otherwise untouched. */
export interface RawLink {
  readonly url: string;
  readonly shown: string;
  readonly source: LinkSource;
}

export interface HtmlReading {
  /** One paragraph a line. */
  readonly text: string;
  readonly links: readonly RawLink[];
  /** `<base href>`, '' where there is none. */
  readonly base: string;
}

/** Characters kept of what a link shows. */
export const SHOWN_MAX = 200;
/** Characters kept of an attribute that may be a URL; longer ones are cut by the caller, or are data: anyway. */
const ATTRIBUTE_MAX = 10_000;

/** Elements that begin and end a paragraph. */
const BLOCK = new Set(
  (
    'address article aside blockquote body center dd details dir div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol option p pre section summary table tbody tfoot ' +
    'thead title tr ul'
  ).split(' '),
);
/** Cells are told apart by a blank. */
const SPACED = new Set(['td', 'th', 'button', 'select', 'input', 'img', 'textarea']);
/** Their content is not for the reader. The tokenizer gives it as one text, however it looks inside. */
const HIDDEN = new Set(['script', 'style', 'iframe', 'noembed', 'noframes']);

/** Where a URL may stand, by element and attribute; '*' is any element. */
const URL_ATTRIBUTES: Readonly<Record<string, LinkSource>> = {
  'a href': 'href',
  'area href': 'href',
  'link href': 'href',
  '* src': 'src',
  '* srcset': 'src',
  '* background': 'src',
  '* poster': 'src',
  'object data': 'src',
  'form action': 'form',
  '* formaction': 'form',
};

/** The attributes that matter on some element: a first look that is cheap. */
const ATTRIBUTES = new Set([
  'content',
  'http-equiv',
  ...Object.keys(URL_ATTRIBUTES).map(key => key.split(' ')[1] ?? ''),
]);

export function readHtml(html: string, maxLinks: number): HtmlReading {
  const reader = new HtmlReader(html, maxLinks);
  const tokenizer = new Tokenizer({}, reader);
  tokenizer.write(html);
  tokenizer.end();
  return { text: foldText(reader.text()), links: reader.links, base: reader.base };
}

class HtmlReader implements TokenizerCallbacks {
  readonly links: RawLink[] = [];
  base = '';
  readonly #html: string;
  readonly #maxLinks: number;
  readonly #pieces: string[] = [];
  #tag = '';
  /** How many `<pre>` are open: line ends count in them. */
  #pre = 0;
  /** The element whose content is left out, '' for none. */
  #hidden = '';
  #attribute: string | null = null;
  #attributeName = '';
  #isRefresh = false;
  #content = '';
  /** The `<a href>` that is open, and what it shows so far. */
  #anchor: { url: string; shown: string } | null = null;

  constructor(html: string, maxLinks: number) {
    this.#html = html;
    this.#maxLinks = maxLinks;
  }

  /** Paragraphs parted by an empty line, other line ends soft. */
  text(): string {
    this.#closeAnchor();
    return this.#pieces.join('');
  }

  ontext(start: number, end: number): void {
    if (this.#hidden === '') this.#say(this.#flowing(this.#html.slice(start, end)));
  }

  ontextentity(codepoint: number): void {
    if (this.#hidden === '') this.#say(this.#flowing(String.fromCodePoint(codepoint)));
  }

  onopentagname(start: number, end: number): void {
    this.#tag = this.#name(start, end);
    if (this.#tag === 'a') this.#closeAnchor();
    this.#isRefresh = false;
    this.#content = '';
    if (this.#tag === 'pre') this.#pre++;
    if (BLOCK.has(this.#tag)) this.#pieces.push('\n\n');
    else if (this.#tag === 'br') this.#say('\n');
    else if (SPACED.has(this.#tag)) this.#say(' ');
  }

  onopentagend(): void {
    if (this.#isRefresh) this.#refresh();
    if (HIDDEN.has(this.#tag)) this.#hidden = this.#tag;
  }

  onselfclosingtag(): void {
    this.onopentagend();
  }

  onclosetag(start: number, end: number): void {
    const tag = this.#name(start, end);
    if (this.#hidden !== '' && tag === this.#hidden) this.#hidden = '';
    if (tag === 'pre' && this.#pre > 0) this.#pre--;
    if (tag === 'a') this.#closeAnchor();
    else if (BLOCK.has(tag)) this.#pieces.push('\n\n');
    else if (SPACED.has(tag)) this.#say(' ');
  }

  onattribname(start: number, end: number): void {
    const name = this.#name(start, end);
    this.#attributeName = name;
    const isWanted =
      ATTRIBUTES.has(name) &&
      (URL_ATTRIBUTES[`* ${name}`] !== undefined ||
        URL_ATTRIBUTES[`${this.#tag} ${name}`] !== undefined ||
        (this.#tag === 'base' && name === 'href') ||
        (this.#tag === 'meta' && (name === 'content' || name === 'http-equiv')));
    this.#attribute = isWanted ? '' : null;
  }

  onattribdata(start: number, end: number): void {
    if (this.#attribute === null || this.#attribute.length >= ATTRIBUTE_MAX) return;
    this.#attribute += this.#html.slice(start, Math.min(end, start + ATTRIBUTE_MAX));
  }

  onattribentity(codepoint: number): void {
    if (this.#attribute === null || this.#attribute.length >= ATTRIBUTE_MAX) return;
    this.#attribute += String.fromCodePoint(codepoint);
  }

  onattribend(): void {
    const value = this.#attribute;
    this.#attribute = null;
    if (value === null) return;
    if (this.#tag === 'base') this.base ||= value.trim();
    else if (this.#tag === 'meta') this.#meta(value);
    else this.#url(value);
  }

  oncomment(): void {}
  oncdata(): void {}
  ondeclaration(): void {}
  onprocessinginstruction(): void {}
  onend(): void {}

  #name(start: number, end: number): string {
    return this.#html.slice(start, Math.min(end, start + 40)).toLowerCase();
  }

  /** In HTML a line end is a blank like any other. */
  #flowing(text: string): string {
    return this.#pre > 0 || !/[\r\n]/.test(text) ? text : text.replace(/[\r\n]+/g, ' ');
  }

  #say(text: string): void {
    this.#pieces.push(text);
    if (this.#anchor !== null && this.#anchor.shown.length < SHOWN_MAX * 2) {
      this.#anchor.shown += text.slice(0, SHOWN_MAX * 2);
    }
  }

  #url(url: string): void {
    const source = URL_ATTRIBUTES[`${this.#tag} ${this.#attributeName}`] ?? URL_ATTRIBUTES[`* ${this.#attributeName}`];
    if (source === undefined) return;
    if (this.#tag === 'a' && source === 'href') this.#anchor ??= { url, shown: '' };
    else if (this.#attributeName === 'srcset') this.#add(/^\s*(\S+)/.exec(url)?.[1] ?? '', '', source);
    else this.#add(url, '', source);
  }

  #meta(value: string): void {
    if (this.#attributeName === 'content') this.#content = value;
    else if (/^\s*refresh\s*$/i.test(value.slice(0, 20))) this.#isRefresh = true;
  }

  /** `<meta http-equiv=refresh content="0; url=http://...">` sends the reader on by itself. */
  #refresh(): void {
    const url = /^[\s\d.]*[;,]\s*(?:url\s*=\s*)?['"]?([^'"]+)/i.exec(this.#content)?.[1];
    if (url !== undefined) this.#add(url, '', 'href');
    this.#isRefresh = false;
  }

  #closeAnchor(): void {
    if (this.#anchor === null) return;
    const { url, shown } = this.#anchor;
    this.#anchor = null;
    this.#add(url, shown.replace(/\s+/g, ' ').trim().slice(0, SHOWN_MAX), 'href');
  }

  /** One more than may be kept, so that the caller sees that some were left out. */
  #add(url: string, shown: string, source: LinkSource): void {
    if (url !== '' && this.links.length <= this.#maxLinks) this.links.push({ url, shown, source });
  }
}
