// Who is talking to us: what is known of the client from connect to QUIT. A snapshot travels with each message.

/** incoming: from the world to our domains; outgoing: from a trusted listener to anywhere. */
export type Direction = 'incoming' | 'outgoing';

export interface TlsInfo {
  /** As OpenSSL names it: `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
}

export interface Session {
  /** Same form as a MailId, but names the connection. */
  readonly id: string;
  /** Canonical text of the client's address; an IPv4-mapped IPv6 address is written as IPv4. */
  readonly clientAddress: string;
  readonly clientPort: number;
  /** The name the address points to (PTR), null where there is none or it was not asked for. */
  readonly ptr: string | null;
  /** HELO or EHLO argument as sent, control characters removed, at most 255 characters; '' before it was said. */
  readonly helo: string;
  /** True after EHLO, false after HELO. */
  readonly esmtp: boolean;
  readonly tls: TlsInfo | null;
  /** Name of the listener of the settings. */
  readonly listener: string;
  readonly direction: Direction;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}
