// What a hostile server says when it is greeted, over a real socket: bytes of any kind give no capability that was not
// there in ASCII, each that was there is seen, and whatever else comes is the host's failure and no other error.

import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';

import { HostFailed, openSession, type SessionCapabilities } from '../../src/delivery/hop-session.ts';
import type { ServerHost } from '../../src/delivery/host.ts';
import { HOP_POOL, HOP_TIMEOUTS } from '../../src/delivery/options.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Chance, chance, rounds } from '../support/chance.ts';

const ROUNDS = rounds(600);
const KEYWORDS = ['SIZE', '8BITMIME', 'SMTPUTF8', 'PIPELINING'] as const;
type Seen = Record<(typeof KEYWORDS)[number], boolean>;

/** In UTF-8: letters that become ASCII in other case, blanks and controls that some programs take away, noise. */
const NEAR = [
  ...['\u017f', '\u0131', '\u212a', '\ufb01', '\u00df', 'i\u0307', '\u{10400}', '\uff33', 'S\u0301'],
  ...[
    '\u00a0',
    '\u2028',
    '\u2029',
    '\u3000',
    '\ufeff',
    '\u1680',
    '\u200b',
    '\u0085',
    '\0',
    '\v',
    '\f',
    '\r',
    '\x7f',
    '\x1b',
  ],
  ...[
    ' ',
    '  ',
    '\t',
    '=',
    '-',
    '--',
    '5',
    '99999999999999999999',
    'X',
    'AUTH',
    '250 ',
    '250-',
    '__proto__',
    'constructor',
  ],
];
/** As NEAR writes them. */
const LOOKALIKES: Readonly<Record<string, string>> = { S: '\u017f', I: '\u0131', K: '\u212a' };

function keywordOf({ pick, below, next }: Chance): string {
  const letters = [...pick(KEYWORDS)].map(letter => {
    const chosen = next() < 0.3 ? letter.toLowerCase() : letter;
    return next() < 0.04 ? (LOOKALIKES[letter] ?? chosen) : chosen;
  });
  if (next() < 0.15) letters.splice(below(letters.length + 1), 0, pick(NEAR));
  return letters.join('');
}

/** Lines as bytes, without their codes. */
function linesOf(luck: Chance): Buffer[] {
  const { below, next, pick, text } = luck;
  return Array.from({ length: below(6) }, () => {
    const words = next() < 0.85 ? keywordOf(luck) : text(NEAR, 4);
    const around = next() < 0.3;
    const line = `${around ? text(NEAR, 2) : ''}${words}${around ? text(NEAR, 2) : ''}${next() < 0.3 ? ` ${pick(NEAR)}` : ''}`;
    const bytes = Buffer.from(line, next() < 0.9 ? 'utf8' : 'latin1');
    if (next() < 0.05 && bytes.length > 0) bytes[below(bytes.length)] = pick([0, 9, 11, 32, 45, 61, 128, 160, 255]);
    return bytes;
  });
}

/** By the bytes, without any function of JavaScript that knows other alphabets. */
function offered(lines: readonly Buffer[]): Seen {
  const found = new Set(
    lines.map(line => {
      const isBlank = (byte: number) => byte === 32 || byte === 9 || byte === 61;
      const from = line.findIndex(byte => !isBlank(byte));
      const rest = from === -1 ? [] : [...line.subarray(from)];
      const to = rest.findIndex(isBlank);
      const bytes = to === -1 ? rest : rest.slice(0, to);
      return bytes.map(byte => String.fromCharCode(byte >= 97 && byte <= 122 ? byte - 32 : byte)).join('');
    }),
  );
  return Object.fromEntries(KEYWORDS.map(keyword => [keyword, found.has(keyword)])) as Seen;
}

function seenIn(can: SessionCapabilities): Seen {
  return { SIZE: can.offersSize, '8BITMIME': can.eightBitMime, SMTPUTF8: can.smtpUtf8, PIPELINING: can.pipelining };
}

/** Says the greeting, and `answer` in pieces when it is greeted. */
async function server(t: TestContext, luck: Chance) {
  const say = { answer: Buffer.alloc(0) };
  const made = createServer(socket => {
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    socket.write('220 hostile.example\r\n');
    socket.once('data', () => {
      const { answer } = say;
      const at = luck.below(answer.length + 1);
      socket.write(answer.subarray(0, at));
      setImmediate(() => {
        if (luck.next() < 0.05) socket.destroy();
        else socket.end(answer.subarray(at));
      });
    });
  });
  await new Promise<void>(resolve => made.listen(0, '127.0.0.1', resolve));
  t.after(() => made.close());
  const { port } = made.address() as AddressInfo;
  return { say, port };
}

const hostOf = (kind: ServerHost['kind'], port: number): ServerHost => {
  return { kind, name: `${kind}://127.0.0.1:${port}`, at: { host: '127.0.0.1', port } };
};
const SETTINGS = {
  tls: 'none',
  hostname: 'gateway.example',
  timeouts: { ...HOP_TIMEOUTS, connectMs: 10_000 },
  pool: HOP_POOL,
  log: silentLog(),
} as const;

/** Null where the host failed. */
async function greet(host: ServerHost): Promise<SessionCapabilities | null> {
  try {
    const { wire, capabilities } = await openSession(host, SETTINGS, { signal: new AbortController().signal });
    wire.destroy('seen');
    return capabilities;
  } catch (error) {
    if (error instanceof HostFailed) return null;
    throw error;
  }
}

test(`${ROUNDS} answers to EHLO and LHLO: exactly the capabilities that were there in ASCII`, async t => {
  const luck = chance(t);
  const { say, port } = await server(t, luck);
  const sum = { failed: 0, yes: 0, no: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const lines = linesOf(luck).filter(line => !line.includes(10));
    // What ends a line of the reply is no part of it.
    const said = lines.map(line => (line.at(-1) === 13 ? line.subarray(0, -1) : line));
    const all = [Buffer.from('hostile.example'), ...said];
    say.answer = Buffer.concat(
      all.flatMap((line, i) => [Buffer.from(i === all.length - 1 ? '250 ' : '250-'), line, Buffer.from('\r\n')]),
    );
    const can = await greet(hostOf(luck.pick(['smtp', 'lmtp']), port));
    if (can === null) {
      sum.failed++;
      continue;
    }
    const expected = offered(said);
    assert.deepEqual(seenIn(can), expected, JSON.stringify(say.answer.toString('latin1')));
    assert.ok(can.sizeBytes === null || (Number.isSafeInteger(can.sizeBytes) && can.sizeBytes > 0 && expected.SIZE));
    for (const isThere of Object.values(expected)) sum[isThere ? 'yes' : 'no']++;
  }
  assert.ok(sum.yes > ROUNDS / 4 && sum.no > ROUNDS / 4 && sum.failed < ROUNDS / 2, JSON.stringify(sum));
});

test('answers damaged anywhere, far too long or no reply at all: the host failed, or only what stands in the bytes', async t => {
  const luck = chance(t);
  const { below, next, pick } = luck;
  const { say, port } = await server(t, luck);
  const sum = { failed: 0, opened: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const lines = linesOf(luck).map(line =>
      Buffer.concat([Buffer.from(pick(['250-', '250-', '250 ', '550-', '25'])), line]),
    );
    const answer = Buffer.concat([
      Buffer.from('250-hostile.example\r\n'),
      ...lines.flatMap(line => [line, Buffer.from(pick(['\r\n', '\r\n', '\n', '\r', '']))]),
      Buffer.from(pick(['250 OK\r\n', '250 OK\r\n', '', '250 OK', '\r\n', '250 OK\r\n250 PIPELINING\r\n'])),
    ]);
    if (next() < 0.3) answer[below(answer.length)] = below(256);
    const many = 10 ** below(4);
    say.answer = next() < 0.05 ? Buffer.concat(Array.from({ length: many }, () => answer)) : answer;
    const can = await greet(hostOf('smtp', port));
    sum[can === null ? 'failed' : 'opened']++;
    if (can === null) continue;
    const bytes = say.answer.toString('latin1');
    for (const [keyword, isThere] of Object.entries(seenIn(can))) {
      // Without the flag u, i knows no other letters than those of ASCII for these.
      const word = new RegExp(`(?:^|[^A-Za-z])${keyword}(?![A-Za-z0-9-])`, 'i');
      if (isThere) assert.match(bytes, word);
    }
  }
  assert.ok(sum.failed > ROUNDS / 20 && sum.opened > ROUNDS / 20, JSON.stringify(sum));
});
