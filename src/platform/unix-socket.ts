// Unix sockets: where they may lie, and one question to whoever listens. Used for the daemons we run as children and
// for the control socket. The path rule never puts a socket into a folder that somebody else could have made.

import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { makeFolder } from './safe-file.ts';

/** sun_path of Linux is 108 bytes with its NUL; other systems have 104: the smaller one, so that a folder may move. */
export const SOCKET_PATH_MAX = 103;

/** What a daemon answers to one question: a ping, a version. */
const ANSWER_MAX_BYTES = 64 * 1024;

/**
 * A path for the socket `name` that belongs to `folder`: inside it, or, where that is too long for the system, in a
 * folder of our own (0700) under the temporary folder, always the same for the same `folder`.
 */
export async function socketPath(folder: string, name: string): Promise<string> {
  const path = join(resolve(folder), name);
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path;
  const short = join(tmpdir(), `postern-${createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 16)}`);
  await makeFolder(short);
  // The temporary folder is everybody's: who made this one first?
  const made = await lstat(short);
  if (!made.isDirectory() || made.uid !== process.geteuid?.() || (made.mode & 0o077) !== 0) {
    throw new Error(`${short} is not a folder of our own alone: remove it, or choose a shorter data folder`);
  }
  const shortPath = join(short, name);
  if (Buffer.byteLength(shortPath) <= SOCKET_PATH_MAX) return shortPath;
  throw new Error(`the path of the temporary folder is too long for a socket: ${short}`);
}

/** Sends `question` and resolves with all that comes until `isWhole` says so. Rejects when the signal fires. */
export function askSocket(
  path: string,
  question: { readonly send: string; readonly isWhole: (answer: string) => boolean },
  signal: AbortSignal,
): Promise<string> {
  return new Promise((settle, reject) => {
    const socket = connect({ path });
    let answer = '';
    const end = (error: Error | null) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      if (error === null) settle(answer);
      else reject(error);
    };
    const onAbort = () => end(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(question.send));
    socket.on('data', (text: string) => {
      answer += text;
      if (question.isWhole(answer)) end(null);
      else if (answer.length > ANSWER_MAX_BYTES) end(new Error('the answer is too long'));
    });
    socket.on('error', end);
    socket.on('close', () => end(new Error('closed without an answer')));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
