// A message as a scanner gets it, its bytes in a file of a folder that the test removes.

import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { parseAddress } from '../../src/mail/address.ts';
import type { MailId } from '../../src/mail/mail-id.ts';
import type { MessageSummary } from '../../src/mail/message.ts';
import type { ScanTask } from '../../src/mail/ports.ts';
import type { Session } from '../../src/mail/session.ts';

export interface Wanted {
  readonly message?: string | Uint8Array;
  /** '' is the null sender. */
  readonly mailFrom?: string;
  readonly session?: Partial<Session>;
  readonly summary?: Partial<MessageSummary> | null;
}

export interface MessageFolder {
  /** Frozen through and through: a scanner that writes into it throws. */
  task(wanted?: Wanted): Promise<ScanTask>;
  remove(): Promise<void>;
}

const MESSAGE = 'From: alice@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\nGood morning\r\n';

export async function messageFolder(): Promise<MessageFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-scan-'));
  let made = 0;
  return {
    task: async (wanted = {}) => {
      made += 1;
      const path = join(folder, `${made}.eml`);
      const bytes = Buffer.from(wanted.message ?? MESSAGE);
      await writeFile(path, bytes);
      return frozen(taskOf(path, bytes, wanted));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function taskOf(path: string, bytes: Buffer, { mailFrom = 'alice@example.org', session, summary }: Wanted): ScanTask {
  return {
    entry: {
      id: '000000000000000000' as MailId,
      session: {
        id: '000000000000000001',
        clientAddress: '198.51.100.7',
        clientPort: 40_000,
        ptr: null,
        helo: 'mail.example.org',
        esmtp: true,
        tls: null,
        listener: 'public',
        direction: 'incoming',
        startedAt: 0,
        ...session,
      },
      envelope: {
        mailFrom: { raw: `<${mailFrom}>`, address: mailFrom === '' ? null : parseAddress(mailFrom) },
        rcptTo: [],
        smtpUtf8: false,
        body: '8BITMIME',
        declaredSize: null,
      },
      content: { path },
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      receivedAt: 0,
    },
    summary:
      summary === null
        ? null
        : {
            subject: 'hello',
            from: ['alice@example.org'],
            messageId: '',
            linkDomains: [],
            attachments: [],
            ...summary,
          },
  };
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) frozen(inner);
    Object.freeze(value);
  }
  return value;
}
