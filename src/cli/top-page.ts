// The page of `postern top`: a sample in, the lines of a screen out. Pure but for colours. Every word that comes from a
// mail or from another server goes through safeLine; no line is wider than the screen.

import type { RecentMessage } from '../assembly/activity.ts';
import type { TopSample } from '../assembly/top.ts';
import type { Health } from '../mail/ports.ts';
import { safeLine } from '../platform/terminal-text.ts';
import { cutMiddle, padEnd, padStart, splitAt, textWidth } from '../platform/text-width.ts';
import { bold, dim, green, red, yellow } from './colour.ts';
import { wrapped } from './table.ts';

export interface PageSize {
  readonly width: number;
  /** Lines; the messages take what is left. */
  readonly height: number;
}

type Colour = (text: string) => string;
/** A piece of a line, with its colour. */
type Piece = string | readonly [string, Colour];

const LABEL = 13;
/** Lines of parts that are not well, and of next hops, so that the messages keep some room. */
const SICK_MAX = 6;
const HOPS_MAX = 3;
const MESSAGES_MIN = 4;
const TALL = 24;

const LEVELS: Readonly<Record<Health['level'], Colour>> = { ok: green, degraded: yellow, down: red };
const VERDICTS: Readonly<Record<string, Colour>> = {
  accept: green,
  tag: yellow,
  defer: yellow,
  unjudged: yellow,
  quarantine: red,
  reject: red,
  discard: red,
};

/** `trouble` is said in red above all, '' where there is none. */
export function topPage(sample: TopSample, { width, height }: PageSize, trouble = ''): string[] {
  const above = [
    head(sample, width, trouble),
    ...load(sample),
    ...mail(sample),
    ...healthLines(sample, { width, height }),
  ];
  const room = Math.max(1, height - above.length - 2);
  const recent = sample.lastMinute.recent.slice(0, room);
  return [...above.map(line => fitted(line, width)), '', ...messages(recent, sample.at, width)].slice(0, height);
}

function head({ version, pid, at, startedAt, health }: TopSample, width: number, trouble: string): readonly Piece[] {
  if (trouble !== '') return [[safeLine(trouble, 300), red]];
  const level = [health.level.toUpperCase(), LEVELS[health.level]] as const;
  const left = `Postern ${version}, process ${pid}, up ${span(at - startedAt)}: `;
  const clock = `${new Date(at).toISOString().slice(11, 19)} UTC`;
  const gap = width - left.length - level[0].length - clock.length;
  return [[left, bold], level, gap > 0 ? `${' '.repeat(gap)}${clock}` : ''];
}

function load({ process, listeners, connectionsMax, scans }: TopSample): (readonly Piece[])[] {
  const { cpuPercent, rssBytes, longestTurnMs } = process;
  const connections = listeners.map(({ name, idle, talking, sending }) => {
    const all = idle + talking + sending;
    return all === 0 ? `${name} 0` : `${name} ${all} (${idle} idle, ${talking} talking, ${sending} sending)`;
  });
  const sum = listeners.reduce((all, { idle, talking, sending }) => all + idle + talking + sending, 0);
  const waiting = Math.max(0, scans.inFlight - scans.inWork);
  const memory = `${Math.round(rssBytes / 1024 ** 2)} MiB`;
  return [
    line('process', `CPU ${cpuPercent} %, memory ${memory}, longest turn ${Math.round(longestTurnMs)} ms`),
    line('connections', `${sum} of ${connectionsMax}: ${connections.join(', ')}`),
    line('scans', `${scans.inFlight} of ${scans.max} in flight: ${scans.inWork} in work, ${waiting} waiting`),
  ];
}

function mail({ lastMinute }: TopSample): (readonly Piece[])[] {
  const { verdicts, states, latency } = lastMinute;
  const counted = (counts: Readonly<Record<string, number>>, colours: Readonly<Record<string, Colour>>) =>
    Object.entries(counts).flatMap(([name, count]): Piece[] => [`${count} `, [name, colours[name] ?? String], '   ']);
  const none: Piece[] = ['nothing'];
  const all = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  const times = latency === null ? 'none' : `p50 ${ms(latency.p50)}, p95 ${ms(latency.p95)}, p99 ${ms(latency.p99)}`;
  return [
    line('last minute', ...(all === 0 ? none : counted(verdicts, VERDICTS))),
    line('became', ...(all === 0 ? none : counted(states, {}))),
    line('dot to reply', times),
  ];
}

/** Next hops by name, and every part that is not well: what it says, and what to do. */
function healthLines({ health }: TopSample, { width, height }: PageSize): (readonly Piece[])[] {
  const isHop = ({ part }: Health) => part.startsWith('next hop');
  const hops = health.parts.filter(isHop);
  const sick = health.parts.filter(part => part.level !== 'ok' && !isHop(part));
  // Of an older gateway, before its restart, there is no list.
  const off = unprotected(health.switchedOff ?? []);
  // Eight lines stand above, and the titles of the messages below.
  const room = Math.max(2, Math.min(SICK_MAX + HOPS_MAX, height - 9 - off.length - MESSAGES_MIN));
  const shownHops = sorted(hops).slice(0, Math.min(HOPS_MAX, room));
  const places = Math.max(1, Math.min(SICK_MAX, room - shownHops.length));
  const shownSick = sorted(sick).slice(0, height >= TALL ? Math.ceil(places / 2) : places);
  const missing = hops.length - shownHops.length + sick.length - shownSick.length;
  return [
    ...shownHops.map(({ level, says }) => line('next hop', [level, LEVELS[level]], ` ${safeLine(says, 300)}`)),
    ...shownSick.flatMap(({ part, level, says, next }) => {
      const todo = next === '' ? '' : ` Next: ${safeLine(next, 200)}`;
      const text = `${level} ${safeLine(part, 60)}: ${safeLine(says, 300)}.${todo}`;
      // What to do stands at the end: a second line for it, where a screen is tall enough.
      const [first = '', ...more] = wrapped(text, Math.max(20, width - LABEL));
      const second = height >= TALL && more.length > 0 ? [line('', more.join(' '))] : [];
      return [line('health', [first.slice(0, level.length), LEVELS[level]], first.slice(level.length)), ...second];
    }),
    ...(sick.length > 0 ? [] : [line('health', ['all parts are well', green])]),
    ...off,
    ...(missing === 0 ? [] : [line('', `and ${missing} more: postern doctor`)]),
  ];
}

/** What the settings switch off is no part that could be ill, and protects from nothing all the same. */
function unprotected(from: readonly string[]): (readonly Piece[])[] {
  return from.length === 0 ? [] : [line('switched off', [`no protection from ${from.join(', ')}`, yellow])];
}

function sorted(parts: readonly Health[]): readonly Health[] {
  const order = { down: 0, degraded: 1, ok: 2 };
  return [...parts].sort((a, b) => order[a.level] - order[b.level]);
}

/** Widths of the columns of the last messages; sender and recipient share what is left. */
const WIDTHS = { ago: 5, id: 18, verdict: 10, state: 9, score: 6, took: 6 };
type Cells = Readonly<Record<keyof typeof WIDTHS | 'from' | 'to', string>>;
const TITLES: Cells = {
  ago: 'AGO',
  id: 'ID',
  verdict: 'VERDICT',
  state: 'BECAME',
  score: 'SCORE',
  took: 'TIME',
  from: 'FROM',
  to: 'TO',
};
/** A narrower screen shows what a message became, which mostly tells the verdict, and more of the addresses. */
const WITH_VERDICT = 100;
const PARTY_MIN = 8;

function messages(recent: readonly RecentMessage[], now: number, width: number): string[] {
  const body = recent.map(message => fitted(row(cellsOf(message, now), width, colourOf(message)), width));
  const title = row(TITLES, width, String).map(piece => (typeof piece === 'string' ? piece : piece[0]));
  return [bold(fitted(title, width)), ...(body.length === 0 ? [dim('no message yet')] : body)];
}

function row({ ago, id, verdict, state, score, took, from, to }: Cells, width: number, colour: Colour): Piece[] {
  const withVerdict = width >= WITH_VERDICT;
  const fixed = Object.values(WIDTHS).reduce((sum, size) => sum + size + 1, 0);
  const left = width - fixed + (withVerdict ? 0 : WIDTHS.verdict + 1);
  const party = Math.floor((left - 1) / 2);
  // On a very narrow screen there is room for one of them, or none.
  const parties = party >= PARTY_MIN ? [padEnd(cutMiddle(from, party), party), cutMiddle(to, party)] : [to];
  return [
    `${padStart(ago, WIDTHS.ago)} ${padEnd(id, WIDTHS.id)} `,
    ...(withVerdict ? [[padEnd(verdict, WIDTHS.verdict), colour] as const, ' '] : []),
    [padEnd(state, WIDTHS.state), colour],
    ` ${padStart(score, WIDTHS.score)} ${padStart(took, WIDTHS.took)} ${parties.join(' ')}`,
  ];
}

function cellsOf({ id, at, from, to, recipients, verdict, state, score, ms: took }: RecentMessage, now: number): Cells {
  return {
    ago: age(now - at),
    id,
    verdict: verdict ?? '-',
    state,
    score: score?.toFixed(1) ?? '-',
    took: took === null ? '-' : ms(took),
    from: from === '' ? '<>' : safeLine(from),
    to: `${safeLine(to)}${recipients > 1 ? ` +${recipients - 1}` : ''}`,
  };
}

function colourOf({ verdict }: RecentMessage): Colour {
  return VERDICTS[verdict ?? 'unjudged'] ?? String;
}

function line(label: string, ...pieces: readonly Piece[]): readonly Piece[] {
  return [[padEnd(label, LABEL), dim], ...pieces];
}

/** Cut before it is coloured: a colour has no width. */
function fitted(pieces: readonly Piece[], width: number): string {
  let left = width;
  const shown: string[] = [];
  for (const piece of pieces) {
    const [text, colour] = typeof piece === 'string' ? [piece, String] : piece;
    if (textWidth(text) > left) {
      if (left > 0) shown.push(colour(`${splitAt(text, left - 1)[0]}…`));
      break;
    }
    left -= textWidth(text);
    shown.push(colour(text));
  }
  return shown.join('').trimEnd();
}

function ms(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)} s`;
}

function age(value: number): string {
  const seconds = Math.max(0, Math.round(value / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  return seconds < 100 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** `3 d 04:12`, `04:12:33`. */
function span(value: number): string {
  const seconds = Math.max(0, Math.floor(value / 1000));
  const two = (number: number) => String(number).padStart(2, '0');
  const hours = two(Math.floor(seconds / 3600) % 24);
  const days = Math.floor(seconds / 86_400);
  const clock = `${hours}:${two(Math.floor(seconds / 60) % 60)}`;
  return days > 0 ? `${days} d ${clock}` : `${clock}:${two(seconds % 60)}`;
}
