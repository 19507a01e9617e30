// The first run's samples: five messages through the running demo, and a table of what became of each.

import type { Settings } from '../config/settings.ts';
import { sendTestMail } from '../delivery/test-mail.ts';
import { traceById } from '../ledger/trace.ts';
import type { Health } from '../mail/ports.ts';
import { rfc5322Date } from '../mail/stamp.ts';
import type { Postern } from '../main.ts';
import { pause } from '../platform/deadline.ts';
import { errorText } from '../platform/log.ts';
import { bold, dim, yellow } from './colour.ts';
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
  const story = `The story of the first one: ${bold(`${command} ${look}`)}`;
  const { parts } = await postern.health();
  return [
    table(columns, rows),
    '',
    story,
    ...(parts.some(isWithoutSignatures) ? ['', ...UNPROTECTED.map(yellow)] : []),
  ].join('\n');
}

/** The demo goes on all the same; a gateway with domains of its own would defer all mail. */
const UNPROTECTED = [
  'The virus scanner knows the test virus and no other: run freshclam before real mail comes.',
  'Until then a gateway with settings of your own tells senders to come back later.',
];

function isWithoutSignatures({ part, says }: Health): boolean {
  return (part === 'clamav' || part === 'clamd') && /no virus signatures/i.test(says);
}

async function untilScannersAnswer(postern: Postern): Promise<void> {
  const until = Date.now() + SCANNERS_WITHIN_MS;
  while (Date.now() < until) {
    const { parts } = await postern.health();
    const waited = parts.filter(part => part.part === 'clamav' || part.part === 'clamd');
    if (waited.every(part => part.level !== 'down' || isWithoutSignatures(part))) return;
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
