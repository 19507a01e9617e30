// Marks of released copies: a header on top that only we can write, so that a released message which comes back to our
// own listener is not filtered again. Keyed (nobody else makes one), bound to the recipient, good once and for five days.
// A mark that is false, used or old changes nothing: it is stripped like every header of our name.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { Address } from '../mail/address.ts';
import { type CopyId, isCopyId } from '../mail/mail-id.ts';
import type { ReleaseMarks } from '../mail/ports.ts';
import { writeSafely } from '../platform/safe-file.ts';
import { RowsChanged } from '../store/failure.ts';
import type { Queries, Step } from '../store/queries.ts';
import { addressKey, eventStep } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';

export const MARK_HEADER = 'X-Postern-Release';

/** As long as servers keep trying to pass a message on (RFC 5321 4.5.4.1). */
const VALID_MS = 5 * 24 * 3600 * 1000;
const KEY_BYTES = 32;
const MARK = /^([0-9a-z]{18}-[0-9]{1,4})\.([0-9]{1,6}); ([A-Za-z0-9_-]{43})$/;

/** Reads the key, or makes it at first start: 32 random bytes as hex, mode 0600. Throws where the file is no key. */
export async function loadReleaseKey(path: string): Promise<Uint8Array> {
  const text = await readFile(path, 'utf8').catch(error => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) {
    const key = randomBytes(KEY_BYTES);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeSafely(path, `${key.toString('hex')}\n`);
    return key;
  }
  if (!/^[0-9a-f]{64}\s*$/.test(text))
    throw new Error(`${path}: no key (64 hex digits expected): restore or remove it`);
  await chmod(path, 0o600);
  return Buffer.from(text.trim(), 'hex');
}

/** The header line of one release, CRLF included. */
export function markLine(key: Uint8Array, release: MarkedRelease): string {
  return `${MARK_HEADER}: ${release.copyId}.${release.attempt}; ${mac(key, release)}\r\n`;
}

export interface MarkedRelease {
  readonly copyId: CopyId;
  readonly attempt: number;
  /** Address as text. */
  readonly rcptTo: string;
}

/** To be written in the commit that begins the release. */
export function markStep(db: Queries, { copyId, attempt }: MarkedRelease, now: number): Step {
  return db.insertInto('release_marks').values({ copy_id: copyId, attempt, made_at: now, used_at: null });
}

export function releaseMarks(store: Store, key: Uint8Array): ReleaseMarks {
  return { take: (mark, recipient) => take(store, key, { mark, recipient }) };
}

async function take(store: Store, key: Uint8Array, asked: { mark: string; recipient: Address }): Promise<boolean> {
  const [, copyId = '', attempt = '', said = ''] = MARK.exec(asked.mark.trim()) ?? [];
  if (!isCopyId(copyId)) return false;
  const release = { copyId, attempt: Number(attempt), rcptTo: asked.recipient.text };
  if (!timingSafeEqual(Buffer.from(mac(key, release)), Buffer.from(said))) return false;
  const now = Date.now();
  try {
    await store.write(db => [
      {
        query: db
          .updateTable('release_marks')
          .set({ used_at: now })
          .where('copy_id', '=', copyId)
          .where('attempt', '=', release.attempt)
          .where('used_at', 'is', null)
          .where('made_at', '>=', now - VALID_MS),
        mustChange: 1,
      },
      eventStep(db, {
        message_id: copyId.slice(0, copyId.indexOf('-')),
        copy_id: copyId,
        at: now,
        who: 'postern',
        what: 'came back',
        words: 'the released copy came back to our own listener and was not filtered again',
      }),
    ]);
    return true;
  } catch (error) {
    if (error instanceof RowsChanged) return false;
    throw error;
  }
}

function mac(key: Uint8Array, { copyId, attempt, rcptTo }: MarkedRelease): string {
  const said = `postern release 1\n${copyId}\n${attempt}\n${addressKey(rcptTo)}`;
  return createHmac('sha256', key).update(said).digest('base64url');
}
