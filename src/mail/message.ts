// What a message says, as the parts of Postern speak of it. src/message makes it from raw bytes on a thread;
// rules read it there; only the small MessageSummary leaves the thread.

/** One header field, in the order of the message. */
export interface Header {
  /** As written, without the colon. */
  readonly name: string;
  /** The value as written, folds kept, one character a byte (latin1). */
  readonly raw: string;
  /** Unfolded, RFC 2047 words decoded, surrounding white space removed. */
  readonly value: string;
}

/** A node of the MIME tree. Offsets are bytes into the raw message: [start, end). */
export interface Part {
  /** IMAP-like place: '1', '1.2'; the root is ''; the message inside a message/rfc822 '2' is '2.1'. */
  readonly path: string;
  /**
   * null: offsets point into the raw message. Else the path of the message/rfc822 part that came in base64 or
   * quoted-printable: offsets point into what that part decodes to.
   */
  readonly within: string | null;
  /** Where its header section begins; it ends where the body starts. */
  readonly start: number;
  readonly headers: readonly Header[];
  /** Effective type, lower case: 'text/plain'. */
  readonly type: string;
  readonly disposition: 'inline' | 'attachment' | null;
  /** The file name a client would show, null where it has none. */
  readonly name: string | null;
  /** Where the encoded body lies in the raw message. */
  readonly bodyStart: number;
  readonly bodyEnd: number;
  /** The transfer encoding removed; computed when asked for, at most once. */
  decoded(): Uint8Array;
}

/** Where a link was found. */
export type LinkSource = 'href' | 'src' | 'form' | 'text';

export interface Link {
  /** Absolute URL text as the message gives it, at most 8192 characters. */
  readonly url: string;
  /** Host in lower case, A-labels; null for what has none (mailto:). */
  readonly host: string | null;
  /** Registrable domain (public suffix list), null where there is none. */
  readonly domain: string | null;
  /** What the reader sees on it, '' where nothing. */
  readonly shown: string;
  readonly source: LinkSource;
}

export interface Attachment {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** SHA-256 of the decoded bytes, hex. */
  readonly sha256: string;
}

/** What is odd about the message's form; each is a finding symbol (`MIME_...`). */
export interface Defect {
  readonly symbol: string;
  readonly evidence: string;
}

/**
 * A part of the message that could not be looked at, because a budget was used up. Has the form of the finding
 * `unscannable`: the policy decides (I8).
 */
export interface Unreadable {
  readonly kind: 'unscannable';
  readonly reason: string;
  readonly part: string;
}

/** The parsed view. Every member is computed at most once, and only when asked for. */
export interface Message {
  readonly headers: readonly Header[];
  /** All parts, parents before children. */
  readonly parts: readonly Part[];
  /** Decoded subject, then the readable text of all text parts (HTML as text). Lines end in \n. */
  text(): string;
  /** Decoded text and HTML parts with their markup, charset applied. */
  raw(): string;
  links(): readonly Link[];
  attachments(): readonly Attachment[];
  /** Each symbol at most once. */
  defects(): readonly Defect[];
  /** What was not looked at; empty for all but hostile mail. */
  problems(): readonly Unreadable[];
}

/** What other parts may know of a message: small, bounded, safe to send between threads and through Redis. */
export interface MessageSummary {
  /** Decoded, at most 200 characters. */
  readonly subject: string;
  /** The addresses of all From fields, text as `local@domain`, at most 10. */
  readonly from: readonly string[];
  /** The Message-ID field's value, at most 250 characters, '' where it has none. */
  readonly messageId: string;
  /** Registrable domains of the links, each once, at most 50, in order of appearance. */
  readonly linkDomains: readonly string[];
  /** At most 50. */
  readonly attachments: readonly Attachment[];
}
