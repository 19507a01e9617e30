// The manual page of every command: what --help prints, and what docs/commands.md is made of. Called by program.ts;
// each command gives its own words and its examples, which tests run (test/e2e/examples.test.ts).

import type { Command, Option } from 'commander';
import { padEnd } from '../platform/text-width.ts';
import { bold } from './colour.ts';
import { wrapped } from './table.ts';

export interface Example {
  /** A whole line for a shell, such as `postern trace user@example.org`. */
  readonly run: string;
  /** What it is for, in a line. */
  readonly does: string;
}

export interface Page {
  /** Paragraphs between empty lines. Lines that begin with blanks stay as they are. */
  readonly describes: string;
  readonly examples: readonly Example[];
  /** Where a code means more than EXITS says. */
  readonly exits?: Readonly<Record<number, string>>;
  /** What it reads or writes beside FILES. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The same for all commands (DESIGN section 7). */
const EXITS: Readonly<Record<number, string>> = {
  0: 'fine',
  1: 'the answer is no, or it could not be done; standard error says why, and what to do',
  2: 'wrong usage, or a bad file: standard error names file, line and column',
};
const FILES: Readonly<Record<string, string>> = {
  './postern.yaml': 'the settings, unless --config names another file; without any the built-in demo holds',
};

/** A page is as wide as a book, also on a wide terminal. */
const WIDEST = 80;
const NARROWEST = 40;
const INDENT = '    ';

const pages = new WeakMap<Command, Page>();

/** Gives a command its page. */
export function withPage(command: Command, page: Page): Command {
  pages.set(command, page);
  return command.configureHelp({ formatHelp: shown => manualPage(shown, pageWidth()) });
}

/** All examples of a command, for tests. */
export function examplesOf(command: Command): readonly Example[] {
  return pages.get(command)?.examples ?? [];
}

/** The page of one command as text, ending in a line feed. */
export function manualPage(command: Command, width: number): string {
  const { describes = '', examples = [], exits = {}, files = {} } = pages.get(command) ?? {};
  const name = fullName(command);
  const hasSettings = command.options.some(option => option.long === '--config');
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['NAME', wrapped(`${name} - ${command.description()}`, width - INDENT.length)],
    ['SYNOPSIS', synopsis(command, name)],
    ['DESCRIPTION', paragraphs(describes, width - INDENT.length)],
    ['COMMANDS', terms(commandsBelow(command), width)],
    ['OPTIONS', terms(optionsOf(command), width)],
    ['EXAMPLES', exampleLines(examples, width - INDENT.length)],
    ['EXIT STATUS', exitLines({ ...EXITS, ...exits }, width)],
    ['FILES', terms(Object.entries({ ...(hasSettings ? FILES : {}), ...files }), width)],
  ];
  const shown = sections.filter(([, lines]) => lines.length > 0).map(([title, lines]) => section(title, lines));
  return `${shown.join('\n\n')}\n`;
}

/** `postern quarantine list` */
export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function pageWidth(): number {
  return Math.max(NARROWEST, Math.min(WIDEST, process.stdout.columns ?? WIDEST));
}

function section(title: string, lines: readonly string[]): string {
  return [bold(title), ...lines.map(line => (line === '' ? '' : `${INDENT}${line}`))].join('\n');
}

function synopsis(command: Command, name: string): string[] {
  const values = command.registeredArguments.map(argument => {
    const word = `${argument.name().toUpperCase()}${argument.variadic ? '...' : ''}`;
    return argument.required ? word : `[${word}]`;
  });
  const below = command.commands.length === 0 ? [] : ['COMMAND'];
  const line = [name, ...below, '[OPTION]...', ...values].join(' ');
  return command.parent === null ? [line, `${name} help [COMMAND]...`] : [line];
}

function commandsBelow(command: Command): [string, string][] {
  return command.commands.map(below => [below.name(), below.description()]);
}

function optionsOf(command: Command): [string, string][] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(option => [optionTerm(option), optionText(option)]);
}

/** `-c, --config FILE` */
function optionTerm({ flags }: Option): string {
  return flags.replace(/<([^>]*)>/g, (_, value: string) => value.toUpperCase());
}

function optionText({ description, defaultValue }: Option): string {
  const isSaid = defaultValue === undefined || defaultValue === '' || typeof defaultValue === 'boolean';
  return isSaid ? description : `${description}; default ${defaultValue}`;
}

/** Each term on a line of its own, what it means below it. */
function terms(entries: readonly (readonly [string, string])[], width: number): string[] {
  return entries.flatMap(([term, text]) => [
    term,
    ...wrapped(text, width - 2 * INDENT.length).map(line => INDENT + line),
  ]);
}

/** A command is copied from the screen: its line is never broken. */
function exampleLines(examples: readonly Example[], width: number): string[] {
  return examples.flatMap(({ run, does }, i) => {
    const title = `${does.slice(0, 1).toUpperCase()}${does.slice(1)}:`;
    return [...(i === 0 ? [] : ['']), ...wrapped(title, width), `${INDENT}${run}`];
  });
}

function exitLines(exits: Readonly<Record<number, string>>, width: number): string[] {
  return Object.entries(exits).flatMap(([code, text]) =>
    wrapped(text, width - 2 * INDENT.length).map((line, i) => padEnd(i === 0 ? code : '', INDENT.length) + line),
  );
}

function paragraphs(text: string, width: number): string[] {
  if (text.trim() === '') return [];
  return text
    .trim()
    .split(/\n{2,}/)
    .flatMap((paragraph, i) => [
      ...(i === 0 ? [] : ['']),
      ...(/^ /m.test(paragraph) ? paragraph.split('\n') : wrapped(paragraph.replaceAll('\n', ' '), width)),
    ]);
}
