// Which folders rules are read from, and what was found in each: whoever puts a file into the wrong one sees it. Called by
// the gateway, `rules` and `reload`.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import type { RuleFileRead } from '../rules/model.ts';

export interface RuleFolderRead {
  readonly folder: string;
  readonly isThere: boolean;
  readonly files: number;
  /** Rules, and changes of rules of an earlier folder. */
  readonly rules: number;
}

type WithFolders = { readonly scanners: { readonly rules: Pick<Settings['scanners']['rules'], 'folders'> } };

/** Rule folders of the settings that are there; the site's default folder need not be. */
export function ruleFolders({ scanners }: WithFolders): string[] {
  return scanners.rules.folders
    .filter(folder => !folder.mayBeMissing || existsSync(folder.path))
    .map(folder => folder.path);
}

/** All folders of the settings, also those that are not there. */
export function foldersRead({ scanners }: WithFolders, files: readonly RuleFileRead[]): RuleFolderRead[] {
  return countedIn(
    scanners.rules.folders.map(({ path }) => path),
    files,
  );
}

export function countedIn(folders: readonly string[], files: readonly RuleFileRead[]): RuleFolderRead[] {
  return folders.map(folder => {
    const own = files.filter(({ file }) => dirname(file) === folder);
    const rules = own.reduce((sum, file) => sum + file.rules, 0);
    return { folder, isThere: existsSync(folder), files: own.length, rules };
  });
}

/** `/etc/postern/rules/local: does not exist, 0 rules`. */
export function folderLine({ folder, isThere, files, rules }: RuleFolderRead): string {
  const found = !isThere ? 'does not exist' : files === 0 ? 'no *.yaml file' : counted(files, 'file');
  return `${folder}: ${found}, ${counted(rules, 'rule')}`;
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

/** Rule files beside the shipped ones that nobody reads, as a warning; '' where there are none. */
export function unreadRules({ scanners }: WithFolders): string {
  const { folders } = scanners.rules;
  const shipped = folders.find(({ kind }) => kind === 'shipped');
  const local = shipped === undefined ? '' : join(shipped.path, 'local');
  if (shipped === undefined || folders.some(({ path }) => path === local) || !hasRules(local)) return '';
  const own = folders.filter(({ kind }) => kind === 'site').map(({ path }) => path);
  const instead = own.length === 0 ? '' : ` (yours are read from ${own.join(', ')})`;
  return `rule files in ${local} are not read${instead}: move them there, or name the folder in scanners.rules.folders`;
}

function hasRules(folder: string): boolean {
  try {
    return readdirSync(folder).some(name => /^[^.].*\.ya?ml$/.test(name));
  } catch {
    return false;
  }
}
