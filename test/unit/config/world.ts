// A machine for the tests of settings: its name, its addresses and its files do not depend on where the tests run.

import { parseSettings } from '../../../src/config/load.ts';
import type { World } from '../../../src/config/resolve.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { BadFile } from '../../../src/platform/problem.ts';

export const WORLD: World = {
  hostName: 'gw.example.net',
  addresses: ['127.0.0.1', '192.0.2.7', '2001:db8::7'],
  exists: path => path.startsWith('/etc/postern/there'),
};

export const FILE = '/etc/postern/postern.yaml';

export function settingsOf(text: string): Settings {
  return parseSettings(FILE, text, WORLD);
}

/** The heads of the messages, without file name; [] where the text is accepted. */
export function problemsOf(text: string): string[] {
  try {
    settingsOf(text);
    return [];
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    return error.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
  }
}
