// The addresses of a From, To, Reply-To or Sender field (RFC 5322 section 3.4), read as a hostile sender might mean it:
// whatever a client could show as an address is one. Works on the decoded value, so an address hidden in an encoded
// display name counts too.

import { parseDomain } from '../mail/address.ts';

export interface Mailbox {
  readonly name: string;
  readonly address: string;
  readonly domain: string;
}

/** Rules need the first few; a To: with a million addresses is known by its count. */
export const MAILBOXES_MAX = 50;
const VALUE_MAX = 8192;

export function parseMailboxes(value: string): Mailbox[] {
  const boxes: Mailbox[] = [];
  for (const item of items(value.slice(0, VALUE_MAX))) {
    const box = mailbox(item);
    if (box !== null) boxes.push(box);
    if (boxes.length === MAILBOXES_MAX) break;
  }
  return boxes;
}

/** Splits at commas and semicolons outside of quotes and angle brackets. */
function items(value: string): string[] {
  const found: string[] = [];
  let start = 0;
  let isQuoted = false;
  let isAngle = false;
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (isQuoted && char === '\\') i += 1;
    else if (char === '"' && !isAngle) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (char === '<') isAngle = true;
    else if (char === '>') isAngle = false;
    else if ((char === ',' || char === ';') && !isAngle) {
      found.push(value.slice(start, i));
      start = i + 1;
    }
  }
  found.push(value.slice(start));
  return found;
}

function mailbox(item: string): Mailbox | null {
  const open = item.lastIndexOf('<');
  const close = item.indexOf('>', open);
  const inside = open === -1 ? bareAddress(item) : item.slice(open + 1, close === -1 ? undefined : close);
  const address = inside.trim().toLowerCase();
  const at = address.lastIndexOf('@');
  if (at === -1) return null;
  const rawDomain = address.slice(at + 1);
  const name = open === -1 ? (/\(([^()]*)\)/.exec(item)?.[1] ?? '') : item.slice(0, open);
  return {
    name: name
      .trim()
      .replace(/^"(.*)"$/s, '$1')
      .trim(),
    address,
    domain: parseDomain(rawDomain) ?? rawDomain,
  };
}

/** The first word with an @ in it. By splitting: an expression for it takes quadratic time on a long word without one. */
function bareAddress(item: string): string {
  return item.split(/[\s<>"(),:;]+/).find(word => word.includes('@')) ?? '';
}
