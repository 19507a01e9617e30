// Sends one message by SMTP as a client would: for the samples of the first run and the checks of `doctor`.

import { createTransport } from 'nodemailer';

export interface TestMail {
  readonly host: string;
  readonly port: number;
  readonly helo: string;
  readonly mailFrom: string;
  readonly rcptTo: string;
  /** Whole message, CRLF line ends. */
  readonly content: string;
  readonly timeoutMs: number;
}

/** The server's last reply, also where it refused: `550 5.7.1 Message refused by policy`. Rejects when it gave none. */
export async function sendTestMail(mail: TestMail): Promise<string> {
  const { host, port, helo, timeoutMs } = mail;
  const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
  const transport = createTransport({ host, port, name: helo, ignoreTLS: true, ...timeouts });
  try {
    const envelope = { from: mail.mailFrom, to: mail.rcptTo };
    const sent = await transport.sendMail({ envelope, raw: Buffer.from(mail.content) });
    return sent.response;
  } catch (error) {
    if (error instanceof Error && 'response' in error && typeof error.response === 'string') return error.response;
    throw error;
  } finally {
    transport.close();
  }
}
