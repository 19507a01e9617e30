// The mailboxes of a From, To, Reply-To or Sender field (RFC 5322 3.4), read as a hostile sender might mean it: whatever a
// client could show as an address is one, also where the field breaks off. Used by the summary and by the rules. Time
// grows with the length of the field and nothing else.

import { type Address, parseAddress } from '../mail/address.ts';

export interface Mailbox {
  /** Shown instead of the address: the words before it, or a comment. Without quotes. */
  readonly name: string;
  /** Has an @ in it; nothing else is sure. */
  readonly rawAddress: string;
  /** null where the text is no address that a server would take. */
  readonly address: Address | null;
}

/** Rules need the first few; a To: with a million addresses is known by its count. */
export const MAILBOXES_MAX = 50;
/** Characters of a field: 50 mailboxes with long names fit. Shorter, and a long comment would hide the address behind it. */
const FIELD_MAX = 65_536;

/** `value` is unfolded, its bytes decoded. At most MAILBOXES_MAX. */
export function parseMailboxes(value: string): Mailbox[] {
  const boxes: Mailbox[] = [];
  for (const item of itemsOf(value.slice(0, FIELD_MAX))) {
    const box = mailboxOf(item);
    if (box !== null && boxes.push(box) >= MAILBOXES_MAX) break;
  }
  return boxes;
}

/** What stands between two commas, semicolons or group colons. */
interface Item {
  /** Without comments and quoted names. A quoted local part stays. */
  plain: string;
  /** The words and quoted names. */
  words: string;
  /** The words before the last `<`; null without one. */
  before: string | null;
  comment: string;
}

function itemsOf(text: string): Item[] {
  let item: Item = { plain: '', words: '', before: null, comment: '' };
  const items = [item];
  // A quote or comment that never ends is none; after the first such there is no use in looking for ends (time!).
  let mayQuote = true;
  let mayComment = true;
  // In here a colon is part of an address: a source route, an IPv6 literal.
  let isInside = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    const end =
      char === '"' && mayQuote ? endOfQuotes(text, at) : char === '(' && mayComment ? endOfComment(text, at) : null;
    if (end !== null) {
      const inner = text.slice(at + 1, end - 1);
      if (char === '(') item.comment ||= inner;
      else if (text[end] === '@') item.plain += text.slice(at, end);
      else item.words += inner.replace(/\\(.)/gs, '$1');
      at = end - 1;
    } else if (char === ',' || char === ';' || (char === ':' && !isInside)) {
      item = { plain: '', words: '', before: null, comment: '' };
      items.push(item);
      isInside = false;
    } else {
      if (char === '"') mayQuote = false;
      if (char === '(') mayComment = false;
      if (char === '<' || char === '[') isInside = true;
      if (char === '>' || char === ']') isInside = false;
      if (char === '<') item.before = item.words;
      else item.words += char;
      item.plain += char;
    }
  }
  return items;
}

/** Behind the closing quote; null where there is none. */
function endOfQuotes(text: string, start: number): number | null {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '"') return at + 1;
    if (text[at] === '\\') at++;
  }
  return null;
}

/** Behind the closing bracket; comments stand in comments (RFC 5322 3.2.2). */
function endOfComment(text: string, start: number): number | null {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return null;
}

function mailboxOf({ plain, words, before, comment }: Item): Mailbox | null {
  const rawAddress = angled(plain) ?? whole(plain) ?? lone(plain) ?? lone(words) ?? lone(comment);
  if (rawAddress === null) return null;
  return { name: (before ?? comment).trim(), rawAddress, address: parseAddress(rawAddress) };
}

/** Between the last angle brackets, without the source route of RFC 5322 4.4. */
function angled(plain: string): string | null {
  const open = plain.lastIndexOf('<');
  if (open === -1) return null;
  const close = plain.indexOf('>', open);
  const inside = plain.slice(open + 1, close === -1 ? undefined : close).replace(/^\s*@[^:]*:/, '');
  return inside.includes('@') ? inside.trim() : null;
}

/** A quoted local part may have blanks. */
function whole(plain: string): string | null {
  const text = plain.trim();
  return text.includes('@') && parseAddress(text) !== null ? text : null;
}

/** The first word with an @ in it. By splitting: an expression for it takes quadratic time on a long word without one. */
function lone(text: string): string | null {
  return text.split(/[\s<>"()]+/).find(word => word.includes('@')) ?? null;
}
