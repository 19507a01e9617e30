// Reads the settings: from the file that is named, from ./postern.yaml, from /etc/postern/postern.yaml, or the built-in
// demo. Called by the commands and at a reload. Whatever is wrong comes out as one BadFile with all problems.

import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

import { BadFile, type Problem } from '../platform/problem.ts';
import { parseYaml, type YamlFile } from '../platform/yaml.ts';
import { crossCheck, type Place } from './cross-check.ts';
import { maskUrls, noSettings, protoFaults, valueAt } from './problems.ts';
import { type Folders, resolveSettings, type World } from './resolve.ts';
import { readPastUnknown } from './respell.ts';
import type { Settings } from './settings.ts';
import { table } from './table.ts';

export interface LoadOptions {
  /** As given with --config, or in POSTERN_CONFIG. */
  readonly file?: string;
  /** For whoever takes mail: a file that was chosen and names no domain is a mistake, and no wish for the demo. */
  readonly mustTakeMail?: boolean;
  /** For what works without any: a service's file that this user may not read counts as none. */
  readonly mayGoWithout?: boolean;
  /** What to do where `file` is not there. */
  readonly missingHint?: string;
  /** Where a service has its settings; for tests. */
  readonly systemFile?: string;
  /** Absolute. */
  readonly cwd: string;
}

export interface Loaded {
  readonly settings: Settings;
  /** Absolute; null when no file was there and the built-in demo holds. */
  readonly file: string | null;
  /** The service's file, where this user may not read it and `mayGoWithout` was said. */
  readonly passedOver?: string;
}

export const SETTINGS_FILE = 'postern.yaml';
export const SYSTEM_FILE = '/etc/postern/postern.yaml';

/** Throws BadFile: nothing is half loaded (I9). */
export function loadSettings(options: LoadOptions): Loaded {
  const { file, cwd, missingHint = `the path was taken from ${cwd}`, systemFile = SYSTEM_FILE } = options;
  if (file !== undefined) {
    const named = fileAt(file, options, true);
    if (named === null) throw unreadable(file, 'there is no such file', missingHint);
    return named;
  }
  // A postern.yaml that lies here may change the ports of the demo and stay the demo; a service's names its domains.
  const here = fileAt(SETTINGS_FILE, options, false);
  if (here !== null) return here;
  const isPassedOver = options.mayGoWithout === true && isForbidden(systemFile);
  const found = isPassedOver ? null : fileAt(systemFile, options, true);
  if (found !== null) return found;
  const settings = parseWith('', '', { folders: foldersFor(cwd), world: thisMachine() });
  return { settings, file: null, ...(isPassedOver ? { passedOver: systemFile } : {}) };
}

/** The file, or a folder above it: such a folder does not tell whether the file is there. */
function isForbidden(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES';
  }
}

/** null where there is no file. */
function fileAt(shown: string, { cwd, mustTakeMail = false }: LoadOptions, isChosen: boolean): Loaded | null {
  const path = resolve(cwd, shown);
  const text = readText(path, shown);
  if (text === null) return null;
  const place = { folders: { ...foldersFor(dirname(path)), file: path }, world: thisMachine() };
  const settings = parseWith(shown, text, place);
  if (settings.isDemo && isChosen && mustTakeMail) {
    const hint =
      'add your own, such as domains: {example.org: {nextHop: "smtp://10.0.0.5:25"}}; the demo needs no file';
    throw unreadable(shown, 'found neither domains nor outgoing, expected whose mail is to be taken', hint);
  }
  return { settings, file: path };
}

/**
 * The settings a file's text says. Relative paths start at the folder of `file`. `world` is this machine unless told:
 * tests bring their own. Throws BadFile.
 */
export function parseSettings(file: string, text: string | Uint8Array, world: World = thisMachine()): Settings {
  return parseWith(file, text, { folders: foldersFor(dirname(resolve(file))), world });
}

/** This machine as the checks see it. */
export function thisMachine(): World {
  const interfaces = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  return {
    hostName: hostname(),
    addresses: interfaces.map(({ address }) => address),
    exists: path => {
      try {
        accessSync(path, constants.R_OK);
        return true;
      } catch {
        return false;
      }
    },
  };
}

function foldersFor(base: string): Folders {
  return { base, program: resolve(import.meta.dirname, '../..') };
}

function parseWith(file: string, text: string | Uint8Array, place: Place): Settings {
  const yaml = parsed(file, text);
  const stranger = noSettings(yaml);
  if (stranger !== null) throw new BadFile([masked(stranger)]);
  const spelt = readPastUnknown(yaml);
  const faults = [...protoFaults(yaml), ...spelt.faults];
  const unread = new Set(faults.filter(fault => fault.isUnknown !== true).map(fault => String(fault.path[0] ?? '')));
  const whole = unread.size === 0 ? spelt.parsed : null;
  const read = whole ?? table.safeParse(without(spelt.yaml.value ?? {}, unread)).data;
  const problems = [
    ...faults.map(fault => fault.problem),
    ...(read === undefined ? [] : crossProblems(spelt.yaml, crossCheck(read, unread, place))),
  ];
  if (problems.length > 0 || read === undefined) throw new BadFile(hintedTwice(inOrder(problems)).map(masked));
  return resolveSettings(read, place.folders, place.world);
}

/** A copy without the keys that could not be read, so that the other checks have their say in the same run. */
function without(value: unknown, keys: ReadonlySet<string>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.has(key)));
}

function crossProblems(yaml: YamlFile, complaints: ReturnType<typeof crossCheck>): Problem[] {
  return complaints.map(({ path, where, message, hint, orPath = path }) =>
    yaml.problem(valueAt(yaml.value, path) === undefined ? orPath : path, where, message, hint),
  );
}

/** Throws BadFile. */
function parsed(file: string, text: string | Uint8Array): YamlFile {
  try {
    return parseYaml(file, text);
  } catch (error) {
    throw error instanceof BadFile ? new BadFile(hintedTwice(error.problems).map(masked)) : error;
  }
}

/** The same hint helps nobody a third time: a file of another kind would repeat it for each line. */
const SAME_HINTS_MAX = 2;

function hintedTwice(problems: readonly Problem[]): Problem[] {
  const said = new Map<string, number>();
  return problems.map(problem => {
    const times = (said.get(problem.hint) ?? 0) + 1;
    said.set(problem.hint, times);
    return times > SAME_HINTS_MAX ? { ...problem, hint: '' } : problem;
  });
}

/** By place, each said once. */
function inOrder(problems: readonly Problem[]): Problem[] {
  const once = new Map(problems.map(problem => [`${problem.line}:${problem.column}:${problem.message}`, problem]));
  return [...once.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

function masked(problem: Problem): Problem {
  return { ...problem, source: maskUrls(problem.source) };
}

/** null where there is no file; throws BadFile where there is one that cannot be read. */
function readText(path: string, shown: string): Uint8Array | null {
  try {
    if (statSync(path).isDirectory()) {
      const inside = join(shown, SETTINGS_FILE);
      const hint = existsSync(join(path, SETTINGS_FILE))
        ? `did you mean "${relative('.', inside)}"?`
        : `name the settings file itself; there is no ${SETTINGS_FILE} in this folder`;
      throw unreadable(shown, 'this is a folder', hint);
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof BadFile) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    const hint = code === 'EACCES' ? 'let the user that runs Postern read it, and run this as that user' : '';
    throw unreadable(shown, `the file cannot be read (${code})`, hint);
  }
}

function unreadable(file: string, message: string, hint: string): BadFile {
  return new BadFile([{ file, line: 1, column: 1, message, hint, source: '' }]);
}
