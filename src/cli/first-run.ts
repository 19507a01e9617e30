// The first run's samples: five messages through the running demo, and a table of what became of each.

import type { Settings } from '../config/settings.ts';
import { sendTestMail } from '../delivery/test-mail.ts';
import { traceById } from '../ledger/trace.ts';
import { rfc5322Date } from '../mail/stamp.ts';
import type { Postern } from '../main.ts';
import { pause } from '../platform/deadline.ts';
import { errorText } from '../platform/log.ts';
import { bold, dim } from './colour.ts';
import { commandName } from './command-name.ts';
import { type Sample, samples } from './samples.ts';
import { table } from './table.ts';
import { print } from './terminal.ts';

/** clamd loads its signatures meanwhile; without it the samples would only be deferred. */
const SCANNERS_WITHIN_MS = 120_000;
const SEND_MS = 90_000;

/** The table, ready to print. */
export async function runSamples(postern: Postern, settings: Settings): Promise<string> {
  print(dim('waiting for the virus scanner …'));
  await untilScannersAnswer(postern);
  const listener = postern.places.find(place => place.name === 'public') ?? postern.places[0];
  const domain = settings.domains.keys().next().value;
  if (listener === undefined || domain === undefined) return 'There is no listener or no domain to send samples to.';
  const rows: string[][] = [];
  for (const sample of samples(domain, rfc5322Date(Date.now()))) {
    print(dim(`sending: ${sample.name} …`));
    rows.push(await send(postern, sample, listener));
  }
  const command = commandName(process.cwd());
  const columns = [
    { title: 'WHAT IT WAS', narrow: 'wrap' },
    { title: 'BECAME' },
    { title: 'WHY', narrow: 'wrap' },
    { title: `LOOK: ${command} …` },
  ] as const;
  const look = rows[0]?.at(-1) ?? 'doctor';
  return `${table(columns, rows)}\n\nThe story of the first one: ${bold(`${command} ${look}`)}`;
}

async function untilScannersAnswer(postern: Postern): Promise<void> {
  const until = Date.now() + SCANNERS_WITHIN_MS;
  while (Date.now() < until) {
    const { parts } = await postern.health();
    const waited = parts.filter(part => part.part === 'clamav' || part.part === 'clamd');
    if (waited.every(part => part.level !== 'down' || /no virus signatures/i.test(part.says))) return;
    await pause(1000);
  }
}

async function send(postern: Postern, sample: Sample, to: { host: string; port: number }): Promise<string[]> {
  const { name, ...mail } = sample;
  try {
    const reply = await sendTestMail({ ...mail, host: to.host, port: to.port, timeoutMs: SEND_MS });
    const id = /\(([0-9a-z]{18})\)/.exec(reply)?.[1] ?? '';
    const traced = await traceById(postern.records.store, id);
    if (traced === null) return [name, 'refused', `the gateway said: ${reply}`, ''];
    const copy = traced.copies[0];
    const look = copy?.state === 'held' ? `quarantine show ${copy.copy_id}` : `trace ${id}`;
    return [name, copy?.state ?? '', whyOf(traced.message.reasons, traced.message.score), look];
  } catch (error) {
    return [name, 'not sent', errorText(error), 'doctor'];
  }
}

/** The first reason decided. */
function whyOf(reasons: string | null, score: number | null): string {
  const [first]: { text?: string }[] = JSON.parse(reasons ?? '[]');
  return first?.text ?? (score === null ? '' : `score ${score}`);
}
