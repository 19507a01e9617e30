// Sends one message as a client would, and says what the gateway answered.

import { LineClient } from './smtp-script.ts';

export interface Mail {
  readonly from?: string;
  readonly to?: string | readonly string[];
  /** Header and body with CRLF line ends, not stuffed. */
  readonly content: string | Buffer;
  readonly helo?: string;
  /** The client's own address, of 127/8. */
  readonly address?: string;
}

/** The reply that ended it: to the dot, or the refusal that came before. */
export async function sendMail(port: number, mail: Mail): Promise<string> {
  const client = await LineClient.open(port, mail.address ?? '127.0.0.1');
  try {
    await client.reply();
    await client.command(`EHLO ${mail.helo ?? 'client.sender.example'}`);
    const content = Buffer.isBuffer(mail.content) ? mail.content : Buffer.from(mail.content, 'utf8');
    const body = content.some(byte => byte > 127) ? ' BODY=8BITMIME' : '';
    const sender = await client.command(`MAIL FROM:<${mail.from ?? 'alice@sender.example'}>${body}`);
    if (!sender.startsWith('250')) return sender;
    for (const to of [mail.to ?? 'user@example.org'].flat()) {
      const recipient = await client.command(`RCPT TO:<${to}>`);
      if (!recipient.startsWith('250')) return recipient;
    }
    const data = await client.command('DATA');
    if (!data.startsWith('354')) return data;
    client.write(stuffed(content));
    client.write('.\r\n');
    return await client.reply();
  } finally {
    client.write('QUIT\r\n');
    client.destroy();
  }
}

/** The id at the end of a reply to the dot: `250 2.6.0 Message accepted (01k…)`. */
export function idOf(reply: string): string {
  const id = /\(([0-9a-z]{18})\)$/.exec(reply)?.[1];
  if (id === undefined) throw new Error(`no id in: ${reply}`);
  return id;
}

export function message(subject: string, body: string, more: readonly string[] = []): string {
  const fields = [
    'From: Alice <alice@sender.example>',
    'To: <user@example.org>',
    `Subject: ${subject}`,
    'Date: Mon, 23 Nov 2026 12:00:00 +0000',
    `Message-ID: <${subject.replace(/[^A-Za-z0-9]+/g, '-')}@sender.example>`,
    ...more,
  ];
  return `${fields.join('\r\n')}\r\n\r\n${body}\r\n`;
}

/** Put together here, so that no file of ours sets off a scanner. */
export const GTUBE = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD'}-ANTI-UBE-TEST-EMAIL*C.34X`;
export const EICAR = `X5O!P%@AP[4\\PZX54(P^)7CC)7}$${'EICAR-STANDARD'}-ANTIVIRUS-TEST-FILE!$H+H*`;

export function withEicar(subject: string): string {
  const head = message(subject, '', ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b']).trimEnd();
  const part = ['Content-Type: application/octet-stream; name=e.com', 'Content-Transfer-Encoding: base64', ''];
  return [head, '', '--b', ...part, Buffer.from(EICAR).toString('base64'), '--b--', ''].join('\r\n');
}

/** Dots at line starts doubled (RFC 5321 4.5.2). */
export function stuffed(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/^\./gm, '..'), 'latin1');
}
