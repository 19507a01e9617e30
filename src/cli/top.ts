// postern top: what is going on now. Asks the running gateway for a sample again and again and shows it on a screen of
// its own; one sample and the end where nobody looks on.

import { Command } from 'commander';
import type { TopSample } from '../assembly/top.ts';
import type { Settings } from '../config/settings.ts';
import { orAborted, pause, withDeadline } from '../platform/deadline.ts';
import { errorText } from '../platform/log.ts';
import { type Page, withPage } from './manual.ts';
import { ask, settingsOf, type WithConfig, type WithJson, wholeNumber, withConfig, withJson } from './options.ts';
import { openScreen, type Screen } from './screen.ts';
import { terminalWidth } from './table.ts';
import { print, printJson } from './terminal.ts';
import { topPage } from './top-page.ts';

interface TopOptions extends WithConfig, WithJson {
  readonly once?: boolean;
  readonly interval: string;
}

const PAGE: Page = {
  describes: `
Shows what the running gateway does, and goes on until q or Ctrl-C is pressed: its processor time and memory,
connections by listener, messages that are being scanned or wait for it, verdicts of the last minute and what became of
those messages, the time from the dot to the reply, the next hops, every part that is not well, and the last messages
with their ids for "postern trace".

An idle connection is between two messages; a talking one is in a transaction or waits for our answer; a sending one
sends its message. The longest turn is how long the main thread was busy with one thing within two minutes, while
everybody else waited.

The screen is as it was before, afterwards. Where standard output is no terminal, one sample is printed, as with --once.
Next hops and other parts are asked every 15 seconds at most.`,
  examples: [
    { run: 'postern top', does: 'look on' },
    { run: 'postern top --once', does: 'one look' },
    { run: 'postern top --json', does: 'one sample, for a program' },
  ],
  exits: { 1: 'the gateway is not running' },
};

export function topCommand(): Command {
  const command = new Command('top')
    .description('look on: connections, verdicts, latency, health, the last messages')
    .option('--once', 'print one sample and end')
    .option('--interval <seconds>', 'between two looks', '2')
    .action(top);
  return withPage(withJson(withConfig(command)), PAGE);
}

/** Of the last messages, where there is no screen that they must fit. */
const ONCE_HEIGHT = 40;

async function top(options: TopOptions): Promise<void> {
  const intervalMs = 1000 * wholeNumber(options.interval, '--interval', { min: 1, max: 3600 });
  const { settings } = await settingsOf(options);
  const first = await sampleOf(settings);
  if (options.json === true) return printJson(first);
  if (options.once === true || process.stdout.isTTY !== true) {
    const width = terminalWidth();
    return print(topPage(first, { width: Math.min(width, PIPE_WIDTH), height: ONCE_HEIGHT }).join('\n'));
  }
  await lookOn(first, intervalMs, () => sampleOf(settings));
  // A question that a frozen gateway has not answered would keep us for minutes.
  process.exit();
}

/** Longer than a part has for its sign of life: then it is the gateway itself that is silent. */
const SAMPLE_MS = 10_000;
/** In a pipe nothing needs to be cut, but sender and recipient stand in columns. */
const PIPE_WIDTH = 200;

async function sampleOf(settings: Settings): Promise<TopSample> {
  return (await ask(settings, 'GET', '/top')) as TopSample;
}

async function lookOn(first: TopSample, intervalMs: number, next: () => Promise<TopSample>): Promise<void> {
  let sample = first;
  let trouble = '';
  const draw = () => screen.draw(topPage(sample, screen, trouble));
  const screen: Screen = openScreen(draw);
  try {
    while (!screen.left.aborted) {
      draw();
      await pause(intervalMs, screen.left).catch(() => undefined);
      if (screen.left.aborted) return;
      try {
        sample = await orAborted(screen.left, withDeadline(SAMPLE_MS, 'the gateway', next));
        trouble = '';
      } catch (error) {
        // It may be restarting: who looks on wants to see it come back.
        trouble = `no answer since ${new Date(sample.at).toISOString().slice(11, 19)} UTC: ${errorText(error)}`;
      }
    }
  } finally {
    screen.close();
  }
}
