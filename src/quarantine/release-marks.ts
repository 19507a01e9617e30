// Marks of released copies: a header on top that only we can write, so that a released message which comes back to our
// own listener is not filtered again. Keyed (nobody else makes one), bound to the recipient and to the content, good for
// one delivery and for five days.
// A mark that is false, used or old changes nothing: it is stripped like every header of our name.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import { type CopyId, isCopyId } from '../mail/mail-id.ts';
import type { MarkClaim, ReleaseMarks, SpoolEntry } from '../mail/ports.ts';
import { readPieces } from '../platform/content.ts';
import { writeSafely } from '../platform/safe-file.ts';
import type { Queries, Step } from '../store/queries.ts';
import { addressKey, eventStep } from '../store/record-rows.ts';
import type { Store } from '../store/store.ts';
import { markDigest } from './mark-digest.ts';

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
  /** Of markDigest, over the bytes that go out. */
  readonly digest: string;
}

/** To be written in the commit that begins the release. */
export function markStep(
  db: Queries,
  { copyId, attempt }: Pick<MarkedRelease, 'copyId' | 'attempt'>,
  now: number,
): Step {
  return db.insertInto('release_marks').values({ copy_id: copyId, attempt, made_at: now, used_at: null });
}

/** One for a process and its database: what is claimed is kept here. */
export function releaseMarks(store: Store, key: Uint8Array): ReleaseMarks {
  // Of deliveries that are under way. The data folder belongs to one process, so memory is enough.
  const claimed = new Set<string>();
  return { claim: (mark, entry) => claim({ store, key, claimed }, mark, entry) };
}

interface Marks {
  readonly store: Store;
  readonly key: Uint8Array;
  readonly claimed: Set<string>;
}

async function claim(marks: Marks, mark: string, entry: SpoolEntry): Promise<MarkClaim | null> {
  const [, copyId = '', number = '', said = ''] = MARK.exec(mark.trim()) ?? [];
  const [recipient, ...others] = entry.envelope.rcptTo;
  if (!isCopyId(copyId) || recipient === undefined || others.length > 0) return null;
  const attempt = Number(number);
  const name = `${copyId}.${attempt}`;
  // Before anything is waited for: of two at the same time the second is judged like any other mail.
  if (marks.claimed.has(name)) return null;
  marks.claimed.add(name);
  const free = () => void marks.claimed.delete(name);
  try {
    const digest = await markDigest(readPieces(entry.content));
    const release = { copyId, attempt, rcptTo: recipient.address.text, digest: digest ?? '' };
    const isGenuine = digest !== null && timingSafeEqual(Buffer.from(mac(marks.key, release)), Buffer.from(said));
    if (!isGenuine || !(await isUnused(marks.store, release))) {
      free();
      return null;
    }
    return settledOnce(free, () => use(marks.store, release));
  } catch (error) {
    free();
    throw error;
  }
}

async function isUnused(store: Store, { copyId, attempt }: MarkedRelease): Promise<boolean> {
  const rows = await store.read(db =>
    db
      .selectFrom('release_marks')
      .select('attempt')
      .where('copy_id', '=', copyId)
      .where('attempt', '=', attempt)
      .where('used_at', 'is', null)
      .where('made_at', '>=', Date.now() - VALID_MS),
  );
  return rows.length === 1;
}

/** The first word counts: what comes after it changes nothing. */
function settledOnce(free: () => void, used: () => Promise<void>): MarkClaim {
  let isSettled = false;
  return {
    settle: async isRelayed => {
      if (isSettled) return;
      isSettled = true;
      // Where this cannot be written the claim stays: the mark is not believed again while this process lives.
      if (isRelayed) await used();
      free();
    },
  };
}

async function use(store: Store, { copyId, attempt }: MarkedRelease): Promise<void> {
  const now = Date.now();
  await store.write(db => [
    {
      query: db
        .updateTable('release_marks')
        .set({ used_at: now })
        .where('copy_id', '=', copyId)
        .where('attempt', '=', attempt)
        .where('used_at', 'is', null),
      mustChange: 1,
    },
    eventStep(db, {
      message_id: copyId.slice(0, copyId.indexOf('-')),
      copy_id: copyId,
      at: now,
      who: 'postern',
      what: 'came back',
      words: 'the released copy came back to our own listener and was passed on without being filtered again',
    }),
  ]);
}

function mac(key: Uint8Array, { copyId, attempt, rcptTo, digest }: MarkedRelease): string {
  const said = `postern release 2\n${copyId}\n${attempt}\n${addressKey(rcptTo)}\n${digest}`;
  return createHmac('sha256', key).update(said).digest('base64url');
}
