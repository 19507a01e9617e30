// The small, bounded facts of a message that leave its thread (MessageSummary). Called on the scan thread after the
// rules' expressions. Everything is cut to the lengths src/mail/message.ts names.

import { parseAddress } from '../mail/address.ts';
import type { Header, Message, MessageSummary } from '../mail/message.ts';
import { decodeBytes, unfold } from './words.ts';

const SUBJECT_MAX = 200;
const FROM_MAX = 10;
const MESSAGE_ID_MAX = 250;
const DOMAINS_MAX = 50;
const ATTACHMENTS_MAX = 50;
const TYPE_MAX = 100;
/** Characters of From fields that are searched for addresses: ten real ones fit a hundred times. */
const FROM_FIELD_MAX = 65_536;

export function summarise(message: Message): MessageSummary {
  const domains = new Set<string>();
  for (const { domain } of message.links()) {
    if (domain !== null && domains.size < DOMAINS_MAX) domains.add(domain);
  }
  return {
    subject: cut(fieldValue(message.headers, 'subject'), SUBJECT_MAX),
    from: fromAddresses(message.headers),
    messageId: cut(fieldValue(message.headers, 'message-id'), MESSAGE_ID_MAX),
    linkDomains: [...domains],
    attachments: message
      .attachments()
      .slice(0, ATTACHMENTS_MAX)
      .map(attachment => ({ ...attachment, type: attachment.type.slice(0, TYPE_MAX) })),
  };
}

function fieldValue(headers: readonly Header[], name: string): string {
  return headers.find(header => header.name.toLowerCase() === name)?.value ?? '';
}

function fromAddresses(headers: readonly Header[]): string[] {
  const found = new Set<string>();
  for (const header of headers) {
    if (header.name.toLowerCase() !== 'from') continue;
    for (const address of addressesIn(header.raw)) {
      if (found.size < FROM_MAX) found.add(address);
    }
  }
  return [...found];
}

/** The addresses of a mailbox list (RFC 5322 3.4), `local@domain`. `raw` has one character a byte. */
export function addressesIn(raw: string): string[] {
  const found: string[] = [];
  for (const mailbox of splitMailboxes(decodeBytes(unfold(raw.slice(0, FROM_FIELD_MAX))))) {
    // Between angle brackets; without them the word with an @ in it.
    const open = mailbox.lastIndexOf('<');
    const close = mailbox.indexOf('>', open);
    const text = open === -1 ? loneAddress(mailbox) : mailbox.slice(open + 1, close === -1 ? undefined : close);
    const address = text.includes('@') ? parseAddress(text.trim()) : null;
    if (address !== null && found.push(address.text) >= FROM_MAX) break;
  }
  return found;
}

function loneAddress(mailbox: string): string {
  return mailbox.split(/\s+/).find(word => word.includes('@')) ?? '';
}

/**
 * Parts a mailbox list at commas, semicolons and group colons. Comments are left out, and so are quoted display names;
 * quotes that are a local part stay: `"a@b.example" <"c d"@e.example>` has one address.
 */
function splitMailboxes(text: string): string[] {
  const mailboxes: string[] = [];
  let current = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '"') {
      const end = endOfQuotes(text, at);
      if (text[end] === '@') current += text.slice(at, end);
      at = end - 1;
    } else if (char === '(') {
      at = endOfComment(text, at) - 1;
    } else if (char === ',' || char === ';') {
      mailboxes.push(current);
      current = '';
    } else if (char === ':' && !current.includes('<')) {
      current = '';
    } else {
      current += char;
    }
  }
  return [...mailboxes, current];
}

function endOfQuotes(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return Math.min(text.length, at + 1);
}

function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return at + 1;
  }
  return text.length;
}

/** Cut between characters, never inside one. */
function cut(text: string, max: number): string {
  const short = text.slice(0, max);
  return /[\ud800-\udbff]$/.test(short) ? short.slice(0, -1) : short;
}
