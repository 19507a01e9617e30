// One message as the rules see it: fetches the values of targets, each once, all of bounded size. Built for each
// message, on the thread; the formulas on the main thread use the same class without a message.

import { parseDomain } from '../mail/address.ts';
import type { Envelope } from '../mail/envelope.ts';
import type { Auth } from '../mail/finding.ts';
import type { Message } from '../mail/message.ts';
import type { Session } from '../mail/session.ts';
import { type Mailbox, parseMailboxes } from '../message/mailboxes.ts';

import { LINE_MAX, TEXT_MAX } from './expression.ts';
import { parseHeaderTarget } from './targets.ts';
import { fold } from './words.ts';

export type Scalar = string | number | boolean;
/** The fields of a link, an address and so on; a field it has not is null. */
export type Thing = Readonly<Record<string, Scalar | null>>;

export interface Folded {
  readonly text: string;
  readonly words: ReadonlySet<string>;
}

/** What there is beside the message. */
export interface MatchContext {
  readonly session: Session;
  readonly envelope: Envelope;
  readonly sizeBytes: number;
  /** The configured domains, lower case A-labels. */
  readonly ownDomains: readonly string[];
}

/** Occurrences of one header, links, attachments, recipients that rules look at; more of them are counted only. */
const MANY_MAX = 1000;

export class View {
  readonly #message: Message | null;
  readonly #auth: readonly Auth[];
  readonly #context: MatchContext;
  readonly #values = new Map<string, readonly Scalar[]>();
  readonly #things = new Map<string, readonly Thing[]>();
  readonly #folded = new Map<string, Folded>();
  #headers: Map<string, { raw: string; value: string }[]> | null = null;

  /** `message` is null where only the session and the findings are known. */
  constructor(message: Message | null, context: MatchContext, auth: readonly Auth[] = []) {
    this.#message = message;
    this.#context = context;
    this.#auth = auth;
  }

  /** All values of `subject`, `header NAME`, `text` and so on. */
  values(target: string): readonly Scalar[] {
    const before = this.#values.get(target);
    if (before !== undefined) return before;
    const values = this.#fetchValues(target);
    this.#values.set(target, values);
    return values;
  }

  /** All links, attachments, addresses of From and so on. */
  things(thing: string): readonly Thing[] {
    const before = this.#things.get(thing);
    if (before !== undefined) return before;
    const things = this.#fetchThings(thing);
    this.#things.set(thing, things);
    return things;
  }

  /** A text without case and accents, and its words. */
  folded(text: string): Folded {
    const before = this.#folded.get(text);
    if (before !== undefined) return before;
    const plain = fold(text);
    const folded = { text: plain, words: new Set(plain.split(' ')) };
    this.#folded.set(text, folded);
    return folded;
  }

  /** One of the configured domains, or a name below one. */
  isOwn(domain: string): boolean {
    return this.#context.ownDomains.some(own => isUnder(domain, own));
  }

  #fetchValues(target: string): readonly Scalar[] {
    const { session, sizeBytes } = this.#context;
    if (target === 'direction') return [session.direction];
    if (target === 'listener') return [session.listener];
    if (target === 'size') return [sizeBytes];
    if (this.#message === null) return [];
    if (target === 'text') return [this.#message.text().slice(0, TEXT_MAX)];
    if (target === 'raw') return [this.#message.raw().slice(0, TEXT_MAX)];
    if (target === 'headers') return [this.#allHeaders(this.#message)];
    const header = parseHeaderTarget(target === 'subject' ? 'header Subject' : target);
    if (header === null) return [];
    return (this.#headerMap(this.#message).get(header.name) ?? []).map(one =>
      (header.isRaw ? one.raw : one.value).slice(0, LINE_MAX),
    );
  }

  #headerMap(message: Message): Map<string, { raw: string; value: string }[]> {
    if (this.#headers !== null) return this.#headers;
    const map = new Map<string, { raw: string; value: string }[]>();
    for (const header of message.headers) {
      const name = header.name.trim().toLowerCase();
      const same = map.get(name);
      if (same === undefined) map.set(name, [header]);
      else if (same.length < MANY_MAX) same.push(header);
    }
    this.#headers = map;
    return map;
  }

  #allHeaders(message: Message): string {
    const lines: string[] = [];
    let length = 0;
    for (const { name, value } of message.headers) {
      lines.push(`${name}: ${value.slice(0, LINE_MAX)}\n`);
      length += name.length + value.length;
      if (length > TEXT_MAX) break;
    }
    return lines.join('').slice(0, TEXT_MAX);
  }

  #fetchThings(thing: string): readonly Thing[] {
    if (thing === 'client') return [clientThing(this.#context.session)];
    if (thing === 'mail-from') return addressThings([this.#context.envelope.mailFrom.address]);
    if (thing === 'rcpt-to')
      return addressThings(this.#context.envelope.rcptTo.slice(0, MANY_MAX).map(one => one.address));
    if (thing === 'spf' || thing === 'dkim' || thing === 'dmarc') return authThings(this.#auth, thing);
    if (this.#message === null) return [];
    if (thing === 'link') return this.#message.links().slice(0, MANY_MAX).map(linkThing);
    if (thing === 'attachment')
      return this.#message
        .attachments()
        .slice(0, MANY_MAX)
        .map(one => ({ name: one.name, type: one.type, size: one.sizeBytes, sha256: one.sha256 }));
    if (thing === 'part')
      return this.#message.parts.slice(0, MANY_MAX).map(part => ({ type: part.type, name: part.name }));
    if (thing === 'count') return [this.#counts(this.#message)];
    // The whole field: what expressions see of it ends at LINE_MAX, and a long comment would hide the address.
    return (this.#headerMap(this.#message).get(thing) ?? [])
      .flatMap(field => parseMailboxes(field.value))
      .map(mailboxThing);
  }

  #counts(message: Message): Thing {
    const links = message.links();
    return {
      recipients: this.#context.envelope.rcptTo.length,
      links: links.length,
      'link-domains': new Set(links.map(link => link.domain ?? link.host).filter(name => name !== null)).size,
      attachments: message.attachments().length,
      parts: message.parts.length,
      received: message.headers.filter(header => header.name.toLowerCase() === 'received').length,
      characters: message.text().length,
    };
  }
}

/** `domain` is `parent` or stands below it. */
export function isUnder(domain: string, parent: string): boolean {
  return domain === parent || domain.endsWith(`.${parent}`);
}

function clientThing({ clientAddress, ptr, helo, tls }: Session): Thing {
  return {
    address: clientAddress,
    ptr: domainText(ptr ?? ''),
    helo: domainText(helo),
    tls: tls?.version.toLowerCase() ?? null,
  };
}

/** As written, in lower case, where it is no address: rules see what people see. */
function mailboxThing({ name, rawAddress, address }: Mailbox): Thing {
  const raw = rawAddress.toLowerCase();
  return {
    name,
    address: address?.text.toLowerCase() ?? raw,
    domain: address?.domain ?? domainText(raw.slice(raw.lastIndexOf('@') + 1)),
  };
}

/** As written where it is no domain: HELO says many things. */
function domainText(text: string): string | null {
  return text === '' ? null : (parseDomain(text) ?? text.toLowerCase());
}

function addressThings(addresses: readonly Envelope['mailFrom']['address'][]): Thing[] {
  return addresses
    .filter(address => address !== null)
    .map(address => ({ address: address.text.toLowerCase(), domain: address.domain === '' ? null : address.domain }));
}

/** RFC 8601 section 2.7: `header.d` for DKIM, `smtp.mailfrom` for SPF, `header.from` for DMARC. */
function authThings(auth: readonly Auth[], method: Auth['method']): Thing[] {
  return auth
    .filter(one => one.method === method)
    .map(({ result, properties }) => {
      const value =
        properties['header.d'] ??
        properties['header.from'] ??
        properties['smtp.mailfrom'] ??
        properties['smtp.helo'] ??
        '';
      return { result: result.toLowerCase(), domain: domainText(value.slice(value.lastIndexOf('@') + 1)) };
    });
}

function linkThing(link: ReturnType<Message['links']>[number]): Thing {
  return {
    url: link.url.slice(0, LINE_MAX),
    host: link.host,
    domain: link.domain,
    shown: link.shown.slice(0, LINE_MAX),
    source: link.source,
    'shown-differs': shownDiffers(link.shown, link.host, link.domain),
  };
}

/** A URL or host name the reader sees: the whole text, or nearly. */
const SHOWN_HOST =
  /^\s*(?:https?:\/\/)?(?:[^\s/@]{1,100}@)?((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})(?::\d{1,5})?(?:[/?#]\S*)?\s*$/i;

function shownDiffers(shown: string, host: string | null, domain: string | null): boolean {
  const seen = parseDomain(SHOWN_HOST.exec(shown.slice(0, 500))?.[1] ?? '');
  if (seen === null || host === null) return false;
  return !isUnder(seen, domain ?? host) && !isUnder(host, seen.replace(/^www\./, ''));
}
