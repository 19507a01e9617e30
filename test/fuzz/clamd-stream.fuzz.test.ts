// A clamd that answers anything in any pieces, early, late, never, or cuts off: only its exact words after the whole message
// are clean, the scanner never rejects, never takes longer than its deadline, and leaves no connection and no memory.

import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';

import type { Finding } from '../../src/mail/finding.ts';
import type { ScanTask } from '../../src/mail/ports.ts';
import { createClamav } from '../../src/scanners/clamav/clamav.ts';
import { REPLY_MAX_BYTES } from '../../src/scanners/clamav/clamd-link.ts';
import { type Chance, chance, chanceOf, rounds } from '../support/chance.ts';
import { heldBytes } from '../support/memory.ts';
import { messageFolder } from '../support/scan-task.ts';
import { waitFor } from '../support/wait-for.ts';

const ROUNDS = rounds(120);
const HELD_MAX = 30 * 1024 * 1024;
/** For a clamd that says nothing more; no more of them than this, for each takes as long. */
const DEADLINE_MS = 200;
/** Above every other wait here: a scan that comes back before it was ended by the deadline, or by clamd. */
const FAR_MS = 20_000;
/** Mostly small ones: three tries at the largest, each slower, take a second. */
const SIZES_TAKEN = [0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4];
/** More than the buffers of a loopback connection hold (tcp_wmem and tcp_rmem: 4 and 6 MB). */
const LARGE_BYTES = 15_000_000;
const SILENT_SHARE = 0.04;

/** What clean and infected look like, and what is nearly so. */
const WORDS = [
  ...['stream: OK\0', 'stream: OK\0', 'stream: OK\0', 'stream: OK', 'stream: OK\n', 'stream: OK\0\0', 'stream: OK \0'],
  ...['stream: Eicar FOUND\0', 'stream: FOUND\0', 'stream: OK FOUND\0', 'stream:  FOUND\0', 'stream: a b FOUND\0'],
  ...[
    'Stream: OK\0',
    'stream: ok\0',
    'stream: \u2126K\0',
    '\0stream: OK\0',
    'stream: OK\r\n',
    '/tmp/x: OK\0',
    'OK\0',
    ' OK',
  ],
  ...['stream: OK\0stream: Eicar FOUND\0', 'stream: Eicar FOUND\0stream: OK\0', 'stream: OK\nstream: OK\0'],
  ...['INSTREAM size limit exceeded. ERROR\0', 'stream: x ERROR\0', 'UNKNOWN COMMAND\0', 'HTTP/1.1 200 OK\r\n\r\n', ''],
  ...['stream: Heuristics.Encrypted.Zip FOUND\0', 'stream: Can\u2019t allocate memory ERROR\0', '1: stream: OK\0'],
];
const NOISE = [
  'stream',
  ': ',
  'OK',
  '\0',
  '\n',
  '\r',
  ' ',
  'FOUND',
  'ERROR',
  '\xff',
  'x',
  'stream: OK',
  'stream: OK\0',
];

/** Where clamd gives its answer, and how it ends. */
interface Manner {
  readonly answer: Buffer;
  readonly when: 'connect' | 'first' | 'half' | 'whole';
  readonly end: 'end' | 'reset' | 'silent';
  readonly cuts: Chance;
}

function mannerOf(luck: Chance): Manner {
  const { next, pick, text, below } = luck;
  const words = next() < 0.7 ? pick(WORDS) : text(NOISE, 6);
  const answer = Buffer.from(
    next() < 0.03 ? 'stream: OK\0'.repeat(pick([2, 373, 20_000])) : words,
    pick(['utf8', 'latin1']),
  );
  if (next() < 0.15 && answer.length > 0) answer[below(answer.length)] = below(256);
  return {
    answer,
    when: pick(['connect', 'first', 'half', 'whole', 'whole', 'whole', 'whole', 'whole']),
    end: next() < SILENT_SHARE ? 'silent' : pick(['end', 'end', 'end', 'end', 'reset']),
    cuts: chanceOf(below(2 ** 31)),
  };
}

class Clamd {
  readonly sockets = new Set<Socket>();
  manner: Manner | null = null;
  /** Of the message that is being scanned. */
  sizeBytes = 0;

  serve(socket: Socket): void {
    const { manner } = this;
    if (manner === null) return void socket.destroy();
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    let received = 0;
    let isSaid = false;
    const say = () => {
      if (isSaid) return;
      isSaid = true;
      speak(socket, manner);
    };
    if (manner.when === 'connect') {
      // It reads when it has spoken.
      socket.pause();
      say();
    }
    // The command, four bytes before each piece, and four of zero behind the last.
    const whole = 'zINSTREAM\0'.length + this.sizeBytes + 4;
    const needed = { connect: 0, first: 1, half: whole / 2, whole }[manner.when];
    let tail = Buffer.alloc(0);
    socket.on('data', bytes => {
      received += bytes.length;
      tail = Buffer.concat([tail, bytes]).subarray(-4);
      if (received >= needed && (manner.when !== 'whole' || tail.equals(Buffer.alloc(4)))) say();
    });
  }
}

/** In pieces, each in a turn of the event loop of its own. */
function speak(socket: Socket, { answer, end, cuts }: Manner, at = 0): void {
  if (socket.destroyed) return;
  if (at < answer.length) {
    const to = at + 1 + cuts.below(cuts.pick([1, 3, 20, 100_000]));
    socket.write(answer.subarray(at, to));
    return void setImmediate(() => speak(socket, { answer, end, when: 'whole', cuts }, to));
  }
  socket.resume();
  if (end === 'end') socket.end();
  if (end === 'reset') socket.resetAndDestroy();
}

/** Only these are clean; NUL or line end, as the protocol's two forms have it. */
function isCleanAnswer(answer: Buffer): boolean {
  return /^stream: OK\0?\n?$/.test(answer.toString('latin1'));
}

/** Descriptors of this process on the messages. */
async function openFiles(tasks: readonly ScanTask[]): Promise<number> {
  const paths = new Set(tasks.flatMap(({ entry }) => ('path' in entry.content ? [entry.content.path] : [])));
  const descriptors = await readdir('/proc/self/fd');
  const links = await Promise.all(descriptors.map(one => readlink(`/proc/self/fd/${one}`).catch(() => '')));
  return links.filter(link => paths.has(link)).length;
}

async function world(t: TestContext) {
  const clamd = new Clamd();
  const server = createServer(socket => clamd.serve(socket));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  t.after(() => {
    for (const socket of clamd.sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const scanner = createClamav({
    address: { host: '127.0.0.1', port },
    maxBytes: 20_000_000,
    maxConcurrent: 4,
    maxBytesInFlight: 20_000_000,
    hasOnlyOwnSignatures: () => false,
    maxSignatureAgeMs: 1e12,
  });
  t.after(() => scanner.close());
  const folder = await messageFolder();
  t.after(() => folder.remove());
  return { clamd, scanner, folder };
}

test(`${ROUNDS} answers of clamd: clean by its exact words after the whole message alone, and never later than may be`, async t => {
  const luck = chance(t);
  const { clamd, scanner, folder } = await world(t);
  const sizes = [1, 100, 70_000, 1_500_000, LARGE_BYTES];
  const tasks = await Promise.all(sizes.map(size => folder.task({ message: Buffer.alloc(size, 'line\r\n') })));
  const before = await heldBytes();
  const sum = { clean: 0, malware: 0, unscannable: 0, unavailable: 0, hit: 0, late: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const manner = mannerOf(luck);
    const task = tasks[luck.pick(SIZES_TAKEN)];
    assert.ok(task !== undefined);
    Object.assign(clamd, { manner, sizeBytes: task.entry.sizeBytes });
    const isSilent = manner.end === 'silent';
    const signal = AbortSignal.timeout(isSilent ? DEADLINE_MS : FAR_MS);
    const findings: readonly Finding[] = await scanner.scan(task, signal);
    const shown = JSON.stringify({ ...manner, answer: manner.answer.toString('latin1'), findings });
    assert.ok(isSilent || !signal.aborted, `ended by the deadline alone: ${shown}`);
    if (signal.aborted) sum.late++;
    if (findings.length === 0) {
      assert.ok(isCleanAnswer(manner.answer), shown);
      assert.ok(manner.answer.length <= REPLY_MAX_BYTES);
      // What is said before clamd has all of it is of another message, or of a part. Where all is on the way already, in
      // the buffers of the system, nobody can know: of the large one it never is.
      assert.ok(task.entry.sizeBytes < LARGE_BYTES || manner.when !== 'connect', shown);
      assert.notEqual(manner.end, 'silent', shown);
      sum.clean++;
    }
    for (const finding of findings) {
      if (finding.kind === 'malware') assert.match(manner.answer.toString('latin1'), / FOUND/, shown);
      if (finding.kind in sum) sum[finding.kind as keyof typeof sum]++;
    }
  }
  t.diagnostic(JSON.stringify(sum));
  assert.ok(sum.clean > ROUNDS / 40 && sum.unavailable > ROUNDS / 10, JSON.stringify(sum));
  await waitFor('all connections to be closed', () => clamd.sockets.size === 0);
  // Before the collector of garbage closes what was forgotten.
  await waitFor('all files to be closed', async () => (await openFiles(tasks)) === 0);
  const grown = (await heldBytes()) - before;
  assert.ok(grown < HELD_MAX, `${grown} bytes are still held`);
});
