// A message whose sender stops where the test says: before its dot, or after it without waiting for the answer.

import { stuffed } from './send.ts';
import { LineClient } from './smtp-script.ts';

export interface OpenMail {
  /** Bytes as they are. */
  write(bytes: string | Uint8Array): void;
  /** The rest and the dot; when this resolves they are with the kernel, and nobody has answered yet. */
  finish(content: string): Promise<void>;
  /** The reply to the dot, '' where the connection ended without one. */
  reply(): Promise<string>;
  destroy(): void;
}

/** Up to 354. Throws where it is refused before. */
export async function openMail(port: number, to: string, from = 'alice@sender.example'): Promise<OpenMail> {
  const client = await LineClient.open(port);
  await client.reply();
  await client.command('EHLO client.sender.example');
  for (const [line, expected] of [
    [`MAIL FROM:<${from}>`, '250'],
    [`RCPT TO:<${to}>`, '250'],
    ['DATA', '354'],
  ] as const) {
    const reply = await client.command(line);
    if (!reply.startsWith(expected)) throw new Error(`${line}: ${reply}`);
  }
  return {
    write: bytes => client.write(bytes),
    finish: async content => {
      client.write(stuffed(Buffer.from(content)));
      client.write('.\r\n');
      await new Promise(resolve => setImmediate(resolve));
    },
    reply: () => client.reply(),
    destroy: () => client.destroy(),
  };
}
