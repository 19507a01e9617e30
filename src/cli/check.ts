// postern check: judges message files in this process, without gateway or Redis. Folders are read whole, results come in
// the order of the input; with --json one object a line.

import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import type { Checker } from '../assembly/checker.ts';
import { parseAddress } from '../mail/address.ts';
import type { Report, Stated } from '../mail/finding.ts';
import type { Policy } from '../mail/policy.ts';
import { decide, type Verdict } from '../mail/verdict.ts';
import { errorText } from '../platform/log.ts';
import { canonicalAddress } from '../platform/network.ts';
import { safeLine } from '../platform/terminal-text.ts';
import { replayScanner } from '../scanners/sender-auth/replay.ts';
import { bold, green, red, yellow } from './colour.ts';
import { given, NoError, UsageError } from './exit.ts';
import { type Page, withPage } from './manual.ts';
import { type CheckedAs, messageFiles, openedMessage, withWorkFolder } from './message-files.ts';
import { settingsOrBuiltIn, type WithConfig, type WithJson, withConfig, withJson } from './options.ts';
import { startProgress } from './progress.ts';
import { recordedResults } from './recorded-results.ts';
import { print, printJson } from './terminal.ts';

interface CheckOptions extends WithConfig, WithJson {
  readonly ip: string;
  readonly helo: string;
  readonly from: string;
  readonly rcpt: string;
  readonly auth?: string;
  readonly offline?: boolean;
}

const PAGE: Page = {
  describes: `
Judges each FILE in this process, without gateway, Redis or records, and prints what would become of it and why. FILE is
a message as it was sent (header and body), a folder of such files, or - for standard input. Results come in the order
of the input.

The verdict is that of the policy "default"; of the built-in settings, which standard error says, where those of the
service are not yours to read. Without --offline DNS is asked, and clamd where a gateway of these settings
runs one. --auth takes verdicts that were recorded elsewhere in place of asking DNS.`,
  examples: [
    { run: 'postern check message.eml', does: 'judge one file' },
    {
      run: 'postern check --offline --json mails/ > verdicts.jsonl',
      does: 'judge a folder by the rules alone, for a program',
    },
    { run: 'postern check --ip 192.0.2.1 --from a@example.com message.eml', does: 'as if this client had sent it' },
    { run: 'postern check --auth spf=pass,dkim=fail - < message.eml', does: 'with results that are known already' },
  ],
  exits: { 0: 'every file was judged, whatever the verdict', 1: 'a file could not be judged' },
};

/** A newcomer checks a file before any gateway runs, and wonders about the verdict. */
const WITHOUT_CLAMD =
  'postern: no virus scanner answered: start the gateway, which runs one, or leave it out with --offline\n';

/** Files that are judged at once: threads for reading, and some that wait for DNS and clamd meanwhile. */
const AT_ONCE = 16;

export function checkCommand(): Command {
  const command = new Command('check')
    .description('judge message files here and now, without a gateway')
    .argument('<file...>')
    .option('--ip <address>', 'address of the client that sent it', '127.0.0.1')
    .option('--helo <name>', 'what the client said in HELO', 'localhost')
    .option('--from <address>', 'envelope sender; <> or nothing for the null sender', '')
    .option('--rcpt <address>', 'envelope recipient', 'postmaster')
    .option('--auth <results>', 'recorded results: spf=pass,dkim=fail,dmarc=none')
    .option('--offline', 'ask no DNS and no clamd')
    .action(check);
  return withPage(withJson(withConfig(command)), PAGE);
}

async function check(paths: readonly string[], options: CheckOptions): Promise<void> {
  const as = checkedAs(options);
  const replay = options.auth === undefined ? null : replayScanner(recordedResults(options.auth));
  const { settings } = await settingsOrBuiltIn(options);
  const policy = settings.policies.get('default');
  if (policy === undefined) throw new NoError('the settings have no policy default');
  const files = await messageFiles(paths);
  if (files.length === 0) throw new NoError(`${given(paths.join(', '))}: no file in this folder`);
  const { createChecker } = await import('../assembly/checker.ts');
  const checker = await createChecker({ settings, offline: options.offline === true, replay });
  let failed = 0;
  let done = 0;
  let withoutClamd = false;
  const progress = startProgress(() => `judged ${done} of ${files.length}`);
  try {
    await withWorkFolder(async folder => {
      const show = options.json === true ? printJson : (judged: Judged) => print(readable(judged));
      const judgeFile = (file: string) => judged({ checker, policy, file, folder, as });
      await inOrder(files, judgeFile, result => {
        if ('error' in result) failed++;
        else withoutClamd ||= result.unavailable.some(({ scanner }) => scanner === 'clamav');
        done++;
        progress.clear();
        show(result);
      });
    });
  } finally {
    progress.stop();
    await checker.close();
  }
  if (withoutClamd) process.stderr.write(WITHOUT_CLAMD);
  if (failed > 0) throw new NoError(`${failed} of ${files.length} files could not be judged`);
}

/** What a line of --json holds. */
type Judged = { readonly file: string; readonly error: string } | Result;

interface Result {
  readonly file: string;
  readonly outcome: Verdict['outcome'];
  readonly score: number;
  readonly reasons: readonly string[];
  readonly findings: readonly object[];
  readonly unavailable: readonly { readonly scanner: string; readonly reason: string }[];
  readonly ms: Readonly<Record<string, number>>;
}

interface Work {
  readonly checker: Checker;
  readonly policy: Policy;
  readonly file: string;
  readonly folder: string;
  readonly as: CheckedAs;
}

async function judged({ checker, policy, file, folder, as }: Work): Promise<Judged> {
  try {
    const entry = await openedMessage(file, folder, as);
    const report = await checker.judge(entry).finally(async () => {
      if ('path' in entry.content) await rm(entry.content.path, { force: true });
    });
    const verdict = decide(report, policy);
    return resultOf(file, report, verdict);
  } catch (error) {
    return { file, error: errorText(error) };
  }
}

function resultOf(file: string, report: Report, verdict: Verdict): Result {
  return {
    file,
    outcome: verdict.outcome,
    score: report.score,
    reasons: verdict.reasons.map(reason => reason.text),
    findings: report.findings.filter(finding => finding.kind !== 'unavailable').map(plain),
    unavailable: report.findings.flatMap(finding =>
      finding.kind === 'unavailable' ? [{ scanner: finding.scanner, reason: finding.reason }] : [],
    ),
    ms: report.ms,
  };
}

function plain(finding: Stated): object {
  const { kind, scanner, points } = finding;
  switch (finding.kind) {
    case 'hit':
      return { kind, symbol: finding.symbol, points, scanner, evidence: finding.evidence };
    case 'malware':
      return { kind, symbol: finding.signature, points, scanner, evidence: finding.part };
    case 'unscannable':
      return { kind, symbol: finding.reason, points, scanner, evidence: finding.part };
    case 'auth':
      return { kind, symbol: `${finding.method}=${finding.result}`, points, scanner, evidence: finding.comment };
    case 'unavailable':
      return { kind, symbol: 'unavailable', points, scanner, evidence: finding.reason };
  }
}

const COLOURS: Readonly<Record<string, (text: string) => string>> = { accept: green, tag: yellow, defer: yellow };

function readable(result: Judged): string {
  if ('error' in result) return `${bold(safeLine(result.file))}: ${red(safeLine(result.error))}`;
  const { file, outcome, score, reasons, findings, unavailable } = result;
  const colour = COLOURS[outcome] ?? red;
  const lines = findings.map(finding => {
    const { points, symbol, evidence } = finding as { points: number; symbol: string; evidence: string };
    const seen = evidence === '' ? '' : `  ${safeLine(evidence, 100)}`;
    return `  ${points.toFixed(1).padStart(7)}  ${safeLine(symbol, 100)}${seen}`;
  });
  const silent = unavailable.map(one => `           ${one.scanner} gave no answer: ${safeLine(one.reason, 200)}`);
  return [
    `${bold(safeLine(file))}: ${colour(outcome)}, ${safeLine(reasons[0] ?? `score ${score}`)}`,
    ...lines,
    ...silent,
  ].join('\n');
}

/** Judges several at a time, and gives the results in the order of the files. */
async function inOrder(
  files: readonly string[],
  work: (file: string) => Promise<Judged>,
  show: (result: Judged) => void,
): Promise<void> {
  const running: Promise<Judged>[] = [];
  let next = 0;
  for (let at = 0; at < files.length; at++) {
    for (; next < files.length && next < at + AT_ONCE; next++) running.push(work(files[next] ?? ''));
    const first = running.shift();
    if (first !== undefined) show(await first);
  }
}

function checkedAs({ ip, helo, from, rcpt }: CheckOptions): CheckedAs {
  const clientAddress = canonicalAddress(ip);
  if (clientAddress === null) throw new UsageError(`--ip ${given(ip)}: expected an IPv4 or IPv6 address`);
  const sender = from.replace(/^<(.*)>$/s, '$1');
  const mailFrom = sender === '' ? null : parseAddress(sender);
  if (mailFrom === null && sender !== '')
    throw new UsageError(`--from ${given(from)}: expected an address such as a@example.org`);
  const rcptTo = parseAddress(rcpt.replace(/^<(.*)>$/s, '$1'));
  if (rcptTo === null) throw new UsageError(`--rcpt ${given(rcpt)}: expected an address such as user@example.org`);
  return { clientAddress, helo, mailFrom, rcptTo };
}
