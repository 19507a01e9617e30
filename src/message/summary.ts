// The small, bounded facts of a message that leave its thread (MessageSummary). Called on the scan thread after the
// rules' expressions. Everything is cut to the lengths src/mail/message.ts names.

import type { Header, Message, MessageSummary } from '../mail/message.ts';
import { parseMailboxes } from './mailboxes.ts';
import { decodeBytes, unfold } from './words.ts';

const SUBJECT_MAX = 200;
const FROM_MAX = 10;
const MESSAGE_ID_MAX = 250;
const DOMAINS_MAX = 50;
const ATTACHMENTS_MAX = 50;
const TYPE_MAX = 100;

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
    // Not the decoded value: a comma in an encoded word parts nothing (RFC 2047 5).
    for (const { address } of parseMailboxes(decodeBytes(unfold(header.raw)))) {
      if (address !== null && found.size < FROM_MAX) found.add(address.text);
    }
  }
  return [...found];
}

/** Cut between characters, never inside one. */
function cut(text: string, max: number): string {
  const short = text.slice(0, max);
  return /[\ud800-\udbff]$/.test(short) ? short.slice(0, -1) : short;
}
