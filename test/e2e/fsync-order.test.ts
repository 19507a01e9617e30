// What kill -9 cannot show: that what is ours is on disk, and not only with the kernel, before the sender hears 250.
// The calls of the real process are seen with strace, in their order.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { endChildrenAfter } from '../support/children.ts';
import { startFakeClamd } from '../support/fake-clamd.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { type RunningPostern, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { idOf, message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const CALLS =
  'fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,write,writev,pwrite64,sendto,sendmsg';
/** More than is kept in memory while it is scanned: it goes through a file of the spool. */
const LARGE = 'A line of a letter of usual length.\r\n'.repeat(8000);

test('I1: what is ours is fsynced before anybody is told so, and removed after the rows say that it is gone', async t => {
  if (!needs(t, 'redis-server', 'strace')) return;
  const folder = testFolder(t, 'fsync');
  const trace = join(folder, 'trace');
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const clamd = await startFakeClamd('found');
  t.after(() => clamd.stop());
  endChildrenAfter(t, join(folder, 'data'));
  const postern = await startPostern(t, {
    folder,
    // -D: the process we start becomes Postern itself, strace watches from beside.
    under: ['strace', '-D', '-f', '-q', '-y', '-s', '4096', '-e', `trace=${CALLS}`, '-o', trace],
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      'diskReserve: 0B',
      `scanners: {clamav: {address: "127.0.0.1:${clamd.address.port}"}, senderAuth: {enabled: false}, dnsLists: {enabled: false}}`,
    ].join('\n'),
  });
  const small = idOf(await sendMail(postern.port, { content: message('to be held', 'hello') }));
  const large = idOf(await sendMail(postern.port, { content: message('to be held, large', LARGE) }));
  clamd.mode = 'ok';
  const relayed = idOf(await sendMail(postern.port, { content: message('to be relayed', 'hello') }));
  const release = await postern.cli('quarantine', 'release', `${small}-1`);
  assert.equal(release.code, 0, release.stderr);
  await ended(postern);
  const lines = calls(readFileSync(trace, 'utf8'));

  const day = String.raw`quarantine/\d+/\d\d/\d\d`;
  const rows = ['the rows', /^done f(?:data)?sync\(\d+<[^>]*postern\.db-wal>/] as const;
  // A small message goes with its dot, in one write: strace shows all of it.
  const dot = ['the dot to the next hop', /^begun (?:write|send)\w*\(.*(?:\\r\\n|")\.\\r\\n"/] as const;
  const said250 = (id: string) =>
    ['the 250 to the sender', new RegExp(String.raw`^begun (?:write|send)\w*\(.*"250 2\.6\.0 .*\(${id}\)`)] as const;
  const kept = (id: string) =>
    [
      ['the record', new RegExp(String.raw`^done f(?:data)?sync\(\d+<[^>]*${day}/${id}\.json\.new>`)],
      ['the name of the record', new RegExp(String.raw`^done rename\w*\(.*${id}\.json\.new".*${id}\.json"`)],
      ['the folder', new RegExp(String.raw`^done f(?:data)?sync\(\d+<[^>]*${day}>`)],
      rows,
      said250(id),
    ] as const;

  inOrder(lines, [
    ['the 354 to the sender', /^begun (?:write|send)\w*\(.*"354 /],
    ['the bytes in quarantine', new RegExp(String.raw`^done f(?:data)?sync\(\d+<[^>]*${day}/${small}\.eml>`)],
    ...kept(small),
  ]);
  inOrder(lines, [
    ['the bytes in the spool', new RegExp(String.raw`^done f(?:data)?sync\(\d+<[^>]*spool/${large}\.eml>`)],
    ['their name in quarantine', new RegExp(String.raw`^done (?:link|rename)\w*\(.*${day}/${large}\.eml"`)],
    ...kept(large),
  ]);
  inOrder(lines, [said250(large), dot, rows, said250(relayed)]);
  const synced = lines.filter(line => line.includes(`${relayed}.`) && /f(?:data)?sync\(/.test(line));
  assert.deepEqual(synced, [], 'what the next hop takes is never fsynced by us: its sender owns it until then');
  inOrder(lines, [
    said250(relayed),
    ['the row that says releasing', rows[1]],
    dot,
    ['the row that says released', rows[1]],
    ['the bytes are removed', new RegExp(String.raw`^begun unlink\w*\(.*${day}/${small}\.eml"`)],
    ['the record is removed', new RegExp(String.raw`^begun unlink\w*\(.*${day}/${small}\.json"`)],
    ['the word to the administrator', /^begun (?:write|send)\w*\(.*"HTTP\/1\.1 200 /],
  ]);
  const removals = lines.filter(line => /^begun unlink/.test(line) && line.includes(`${small}.eml`));
  assert.ok(
    removals.length > 0 && removals.every(line => lines.indexOf(line) > lastRow(lines, dot[1])),
    'and not before',
  );
});

/** Of the first commit after the last dot: what is released is terminal from then on. */
function lastRow(lines: readonly string[], dot: RegExp): number {
  const at = lines.findLastIndex(line => dot.test(line));
  return lines.findIndex((line, index) => index > at && /^done f(?:data)?sync\(\d+<[^>]*postern\.db-wal>/.test(line));
}

/**
 * `begun CALL` and `done CALL`, as they came: a call that another thread interrupts stands in two lines of the trace.
 * What must be on disk has to be done, and what must not be said yet has not to be begun.
 */
function calls(trace: string): readonly string[] {
  const open = new Map<string, string>();
  return trace.split('\n').flatMap(line => {
    const [, pid = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.endsWith('<unfinished ...>')) {
      open.set(pid, text);
      return [`begun ${text}`];
    }
    if (text.startsWith('<... ')) return [`done ${open.get(pid) ?? ''} ${text}`];
    return [`begun ${text}`, `done ${text}`];
  });
}

/** Each step is there after the one before. */
function inOrder(lines: readonly string[], steps: readonly (readonly [string, RegExp])[]): void {
  let at = -1;
  for (const [what, pattern] of steps) {
    const found = lines.findIndex((line, index) => index > at && pattern.test(line));
    const after = lines.slice(Math.max(0, at), at + 200).join('\n');
    assert.ok(found > at, `${what}: not after line ${at}:\n${after.slice(0, 20_000)}`);
    at = found;
  }
}

/** Stops it, and waits for the end of the trace. */
async function ended(postern: RunningPostern): Promise<void> {
  await postern.stop();
  const trace = join(postern.folder, 'trace');
  const end = new RegExp(`^${postern.child.pid} .*exited with 0`, 'm');
  await waitFor('the end of the trace', () => end.test(readFileSync(trace, 'utf8')));
}
