// Runs a fresh set over made-up mail before it meets real mail: V8 compiles expressions when they first run, and the
// first message would pay for all of them. Called on the thread after compileRules.

import type { RuleSet } from './compile.ts';
import { contextOf, messageOf } from './example.ts';

/** V8 interprets an expression once or twice before it makes machine code of it. */
const ROUNDS = 3;

const PIECES = {
  subject: 'Re: Minutes of the meeting, and the 3 figures you asked for',
  text: 'Dear all,\nplease find the minutes below. See https://www.example.com/minutes?id=1 for more.\n'.repeat(20),
  raw: '<html><body><p style="color:#222">Dear all, <a href="https://www.example.com/">minutes</a></p></body></html>',
  from: '"Someone" <someone@example.com>',
  'header Received': ['from a.example by b.example with ESMTP; Mon, 6 Jan 2025 10:00:00 +0000'],
  'header Message-ID': '<1@example.com>',
  'header Date': 'Mon, 6 Jan 2025 10:00:00 +0000',
  link: ['https://www.example.com/minutes?id=1'],
  attachment: ['minutes.pdf'],
  part: ['text/plain', 'text/html'],
  'mail-from': 'someone@example.com',
  'rcpt-to': 'someone@own.example',
  client: { helo: 'mail.example.com', ptr: 'mail.example.com' },
};

export function warmRules(set: RuleSet): void {
  const message = messageOf(PIECES);
  const context = contextOf(PIECES);
  for (let i = 0; i < ROUNDS; i++) set.match(message, context);
}
