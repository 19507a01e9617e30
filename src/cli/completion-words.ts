// What can be completed: commands, options and values, read from the commands themselves. Called by completion.ts.

import type { Argument, Command, Option } from 'commander';

export const SHELLS: readonly string[] = ['bash', 'zsh', 'fish'];

/** What a value of an option or an argument is completed with. */
export type Values = { readonly kind: 'file' | 'held' | 'none' } | { readonly words: readonly string[] };

/** One command as the scripts need it. */
export interface Words {
  /** `quarantine list`, '' for the program itself. */
  readonly path: string;
  readonly about: string;
  readonly commands: readonly { readonly name: string; readonly about: string }[];
  readonly options: readonly {
    readonly flags: readonly string[];
    readonly about: string;
    /** null where it takes none. */
    readonly values: Values | null;
  }[];
  readonly arguments: Values;
}

/** All commands, the program first. */
export function wordsOf(command: Command, path = ''): readonly Words[] {
  const help = command.createHelp();
  const options = help.visibleOptions(command).map(option => ({
    flags: [option.short, option.long].filter(flag => flag !== undefined),
    about: option.description,
    values: option.required ? valuesOfOption(option) : null,
  }));
  const commands = command.commands.map(below => ({ name: below.name(), about: below.description() }));
  const [argument] = command.registeredArguments;
  const own = {
    path,
    about: command.description(),
    commands,
    options,
    arguments: argument === undefined ? ({ kind: 'none' } as const) : valuesOfArgument(argument),
  };
  return [own, ...command.commands.flatMap(below => wordsOf(below, `${path} ${below.name()}`.trim()))];
}

function valuesOfOption({ flags, description }: Option): Values {
  if (flags.includes('<file>')) return { kind: 'file' };
  const choices = /^one of ([a-z, ]+);/.exec(description)?.[1];
  return choices === undefined ? { kind: 'none' } : { words: choices.split(', ') };
}

function valuesOfArgument(argument: Argument): Values {
  switch (argument.name()) {
    case 'file':
    case 'folder':
      return { kind: 'file' };
    case 'id':
    case 'id-or-address':
      return { kind: 'held' };
    case 'shell':
      return { words: SHELLS };
    default:
      return { kind: 'none' };
  }
}
