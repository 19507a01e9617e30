// The messages of the fault run: each with bytes and a key of its own, by which it is known wherever it turns up.

import { createHash } from 'node:crypto';

import type { Chance } from '../support/chance.ts';
import { EICAR, GTUBE } from '../support/send.ts';

/** First header of every message: whatever stands before it was put on top on the way. */
export const KEY_HEADER = 'X-Fault-Key';

export type Kind = 'plain' | 'large' | 'spam' | 'virus';

/** A message and who is to have it. Its bytes are made anew for each try, from the same seed. */
export interface Letter {
  readonly key: string;
  readonly kind: Kind;
  readonly rcpt: readonly string[];
  readonly seed: number;
  readonly sha256: string;
}

/** Two domains with policies of their own: who names both is asked to send one after the other. */
export const DOMAINS = ['careful.example', 'strict.example', 'bin.example'] as const;

/** Beyond what is kept in memory while it is scanned. */
const LARGE_LINES = 5000;
const USUAL_LINES = 60;

export function newLetter(chance: Chance, key: string): Letter {
  const kind = chance.pick(['plain', 'plain', 'plain', 'plain', 'plain', 'virus', 'virus', 'spam', 'large'] as const);
  const rcpt = Array.from({ length: 1 + chance.below(3) }, (_, n) => `${key}-${n}@${domain(chance)}`);
  const made = { key, kind, rcpt, seed: chance.below(2 ** 31) };
  return { ...made, sha256: createHash('sha256').update(bytesOf(made)).digest('hex') };
}

export function bytesOf({ key, kind, seed }: Omit<Letter, 'sha256'>): Buffer {
  const lines = [
    `${KEY_HEADER}: ${key}`,
    'From: Alice <alice@sender.example>',
    'To: undisclosed-recipients:;',
    `Subject: A letter, ${key}`,
    'Date: Mon, 23 Nov 2026 12:00:00 +0000',
    `Message-ID: <${key}@sender.example>`,
    '',
    ...Array.from({ length: kind === 'large' ? LARGE_LINES : USUAL_LINES }, (_, n) => line(seed, n)),
    ...(kind === 'virus' ? [EICAR] : kind === 'spam' ? [GTUBE] : []),
    '.a line that begins with a dot',
    '',
  ];
  return Buffer.from(lines.join('\r\n'));
}

/** Most of a message's recipients are of one domain. */
function domain(chance: Chance): string {
  return chance.pick([DOMAINS[0], DOMAINS[0], DOMAINS[0], DOMAINS[1], DOMAINS[1], DOMAINS[2]]);
}

function line(seed: number, n: number): string {
  return `Line ${n} of a letter of usual length ${Math.imul(seed + n, 0x9e3779b1) >>> 0}.`;
}
