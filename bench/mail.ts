// The mail that is sent: real messages of the corpora beside the project, or made ones. Each send differs from every
// other in Message-ID and in the first line of each text part, so that no cache of whole messages or parts helps anybody.
// Read by the generator process only. Nothing of the corpora is copied into the project.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A message with its dots stuffed. */
export interface Prepared {
  /** The salt goes between these. */
  readonly pieces: readonly Buffer[];
  /** Lines of a base64 attachment that follow, whose first line is salt as well; then its end. */
  readonly attachment: readonly Buffer[];
}

const CORPORA = resolve(import.meta.dirname, '../../shared/corpora');
/** More of one corpus would only fill the generator's memory. */
const MESSAGES_MAX = 6000;
const GENERATED = 500;
const LINE = 'The quick brown fox jumps over the lazy dog while the meeting is moved to Thursday.\r\n';

export function corpusFolder(name: string): string {
  return join(CORPORA, name);
}

/** `generated` or a folder of the corpora; null where it is not there. */
export function readCorpus(name: string): Prepared[] | null {
  if (name === 'generated') return Array.from({ length: GENERATED }, (_, n) => prepare(generated(n)));
  const folder = corpusFolder(name);
  if (!existsSync(folder)) return null;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.eml'));
  // By the number in the name and not by folder, so that ham and spam alternate.
  const order = (file: string) => `${file.split('/').at(-1)} ${file}`;
  const sorted = files.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  return sorted.slice(0, MESSAGES_MAX).map(file => prepare(readFileSync(join(folder, file))));
}

/** Plain text below 100 KB, beyond it an attachment in base64: what large mail is. */
export function sizedMail(bytes: number): Prepared {
  const head = 'From: A <a@sender.example>\r\nTo: <b@rcpt.example>\r\nSubject: Some mail\r\nMIME-Version: 1.0\r\n';
  if (bytes < 100_000) {
    const lines = LINE.repeat(Math.ceil(bytes / LINE.length));
    return prepare(Buffer.from(`${head}Content-Type: text/plain\r\n\r\n${lines}`.slice(0, bytes)));
  }
  const text = `${head}Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\n${LINE}--b\r\n`;
  const part = 'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n';
  const lines = Math.max(1, Math.round((bytes - text.length - part.length) / BASE64_LINE));
  const block = base64Lines(BLOCK_LINES);
  const last = block.subarray(0, (lines % BLOCK_LINES) * BASE64_LINE);
  const blocks = Array<Buffer>(Math.floor(lines / BLOCK_LINES)).fill(block);
  return { ...prepare(Buffer.from(text + part)), attachment: [...blocks, last, Buffer.from('--b--\r\n')] };
}

const BASE64_LINE = 78;
const BLOCK_LINES = 1000;

/** Lines of 76 characters of what looks like a compressed file; always the same. */
function base64Lines(count: number): Buffer {
  let state = 1;
  const next = () => {
    state = (state * 48271) % 0x7fffffff;
    return state & 255;
  };
  const bytes = Buffer.from(Array.from({ length: count * 57 }, next));
  return Buffer.from((bytes.toString('base64').match(/.{76}/g) ?? []).map(line => `${line}\r\n`).join(''));
}

function generated(n: number): Buffer {
  const lines = LINE.repeat(10 + ((n * 37) % 200));
  const head = `From: Person ${n} <p${n}@d${n}.sender.example>\r\nTo: <b@rcpt.example>\r\nSubject: Number ${n}\r\n`;
  const date = 'Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n';
  const link = `<p>${LINE}<a href="https://www.d${n}.example/x?y=${n}">here</a>\r\n`;
  const alternative = [`\r\n--b${n}\r\nContent-Type: text/plain\r\n\r\n${lines}`];
  alternative.push(`--b${n}\r\nContent-Type: text/html\r\n\r\n${link.repeat(10 + (n % 20))}--b${n}--\r\n`);
  return Buffer.from(
    `${head}${date}Content-Type: multipart/alternative; boundary="b${n}"\r\n\r\n${alternative.join('')}`,
  );
}

/** Cuts a message where the salt goes: at its top (the Message-ID) and at the start of each text part that is not base64. */
export function prepare(raw: Buffer): Prepared {
  const text = raw.toString('latin1');
  const at = text.indexOf('\r\n\r\n');
  const end = at === -1 ? text.length : at + 2;
  const header = text.slice(0, end).replace(/^message-id:.*(?:\r\n[ \t].*)*(?:\r\n|$)/gim, '');
  const body = text.slice(end);
  const pieces: string[] = [];
  let from = 0;
  for (const point of textStarts(header, body)) {
    pieces.push(body.slice(from, point));
    from = point;
  }
  pieces.push(body.slice(from));
  pieces[0] = header + (pieces[0] ?? '');
  if (!text.endsWith('\r\n')) pieces.push('\r\n');
  return { pieces: pieces.map(piece => Buffer.from(piece.replace(/^\./gm, '..'), 'latin1')), attachment: [] };
}

const PART = /^--.+\r\n((?:[!-9;-~]+:.*(?:\r\n[ \t].*)*\r\n)*)\r\n/gm;

/** Offsets in the body, which starts with the empty line. */
function textStarts(header: string, body: string): number[] {
  if (!/^content-type:\s*multipart\//im.test(header)) return body.length > 2 && isPlainText(header) ? [2] : [];
  return [...body.matchAll(PART)]
    .filter(([, part]) => isPlainText(part ?? ''))
    .map(found => found.index + found[0].length);
}

function isPlainText(header: string): boolean {
  const type = /^content-type:\s*([^;\s]+)/im.exec(header)?.[1] ?? 'text/plain';
  return /^text\//i.test(type) && !/^content-transfer-encoding:\s*base64/im.test(header);
}

/** What is written between 354 and the dot. */
export function salted({ pieces, attachment }: Prepared, salt: string): Buffer[] {
  const line = Buffer.from(`Reference ${salt}\r\n`);
  const all: Buffer[] = [Buffer.from(`Message-ID: <${salt}@bench.example>\r\n`)];
  for (const [n, piece] of pieces.entries()) {
    if (n > 0 && piece.length > 2) all.push(line);
    all.push(piece);
  }
  if (attachment.length > 0) all.push(Buffer.from(`${Buffer.from(salt.padEnd(57)).toString('base64')}\r\n`));
  return [...all, ...attachment];
}
