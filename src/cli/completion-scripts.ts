// The completion scripts themselves, for bash, zsh and fish. Pure: words in, a script out. Called by completion.ts.
// Every word is quoted: descriptions hold apostrophes, and one day a colon.

import type { Values, Words } from './completion-words.ts';

export function bashScript(all: readonly Words[]): string {
  const cases = all.map(words => {
    const { path, commands, options } = words;
    const flags = options.flatMap(option => option.flags).join(' ');
    const names = commands.map(({ name }) => name).join(' ');
    const what = names === '' ? bashValues(words.arguments) : `words ${quoted(names)}`;
    return `    ${quoted(path)}) flags=${quoted(flags)}; below() { ${what}; } ;;`;
  });
  return `# bash completion for postern. Made by: postern completion bash
_postern() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' flags='' config=() word i
  words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
  files() { compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); }
  held() { words "$("\${COMP_WORDS[0]}" completion held "\${config[@]}" 2>/dev/null | cut -f1)"; }
  none() { :; }
  below() { :; }
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
    -c | --config) config=(--config "\${COMP_WORDS[i+1]}") ;;
    esac
    case "$path $word" in
${bashPaths(all)}
    esac
  done
  case $prev in
${bashOptions(all)}
  esac
  case $path in
${cases.join('\n')}
  esac
  if [[ $cur == -* ]]; then words "$flags"; else below; fi
}
complete -F _postern postern
`;
}

/** Which words lead to which command. */
function bashPaths(all: readonly Words[]): string {
  return all
    .filter(({ path }) => path !== '')
    .map(({ path }) => `    ${quoted(path.includes(' ') ? path : ` ${path}`)}) path=${quoted(path)} ;;`)
    .join('\n');
}

/** Options that take a value, once each. */
function bashOptions(all: readonly Words[]): string {
  const options = new Map(
    all.flatMap(({ options }) =>
      options.flatMap(({ flags, values }) => (values === null ? [] : [[flags.join(' | '), values] as const])),
    ),
  );
  return [...options].map(([flags, values]) => `  ${flags}) ${bashValues(values)}; return ;;`).join('\n');
}

function bashValues(values: Values): string {
  if ('words' in values) return `words ${quoted(values.words.join(' '))}`;
  return { file: 'files', held: 'held', none: 'none' }[values.kind];
}

export function zshScript(all: readonly Words[]): string {
  return `#compdef postern
# zsh completion for postern. Made by: postern completion zsh
_postern_held() {
  local -a config lines
  local at=\${words[(i)(-c|--config)]}
  (( at < $#words )) && config=(--config $words[at+1])
  lines=(\${(f)"$(_call_program held postern completion held $config 2>/dev/null)"})
  lines=(\${lines//:/\\\\:})
  lines=(\${lines//$'\\t'/:})
  _describe -V 'held copy' lines
}
${all.map(zshFunction).join('\n')}
if [ "$funcstack[1]" = "_postern" ]; then _postern "$@"; else compdef _postern postern; fi
`;
}

function zshFunction({ path, commands, options, arguments: values }: Words): string {
  const name = zshName(path);
  const specs = options.map(option => {
    const text = `[${option.about.replace(/[[\]\\:]/g, '\\$&')}]`;
    const value = option.values === null ? '' : `:value:${zshValues(option.values)}`;
    const [first = ''] = option.flags;
    const flags = option.flags.length > 1 ? `'(${option.flags.join(' ')})'{${option.flags.join(',')}}` : first;
    return `    ${flags}${quoted(text + value)}`;
  });
  if (commands.length === 0) {
    return `${name}() {\n  _arguments -s \\\n${[...specs, `    '*:value:${zshValues(values)}'`].join(' \\\n')}\n}`;
  }
  const list = commands.map(({ name: word, about }) => `    ${quoted(`${word}:${about.replaceAll(':', '\\:')}`)}`);
  const calls = commands.map(({ name: word }) => `    ${word}) ${zshName(`${path} ${word}`.trim())} ;;`);
  return `${name}() {
  local curcontext=$curcontext state line
  local -a commands=(
${list.join('\n')}
  )
  _arguments -C \\
${[...specs, "    '1:command:->command'", "    '*::argument:->argument'"].join(' \\\n')}
  case $state in
  command) _describe command commands ;;
  argument)
    case $line[1] in
${calls.join('\n')}
    esac ;;
  esac
}`;
}

function zshName(path: string): string {
  return `_postern${path === '' ? '' : `_${path.replaceAll(' ', '_')}`}`;
}

function zshValues(values: Values): string {
  if ('words' in values) return `(${values.words.join(' ')})`;
  return { file: '_files', held: '_postern_held', none: ' ' }[values.kind];
}

export function fishScript(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, commands, options, arguments: values }) => {
    const here = `-n ${quoted(`__postern_at ${path}`.trim())}`;
    return [
      ...commands.map(({ name, about }) => `complete -c postern ${here} -a ${name} -d ${quoted(about)}`),
      ...options.map(option => `complete -c postern ${here} ${fishFlags(option)} -d ${quoted(option.about)}`),
      ...(commands.length > 0 ? [] : fishValues(values).map(value => `complete -c postern ${here} ${value}`)),
    ];
  });
  const groups = all.filter(({ path, commands }) => path !== '' && commands.length > 0).map(({ path }) => path);
  return `# fish completion for postern. Made by: postern completion fish
function __postern_at --description 'is this the command that is being typed?'
    set -l said
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        set -a said $word
        contains -- $word ${groups.join(' ')}; or break
        test (count $said) -ge 2; and break
    end
    test "$said" = "$argv"
end
function __postern_held
    set -l words (commandline -opc)
    set -l config
    for i in (seq (count $words))
        contains -- $words[$i] -c --config; and set config --config $words[(math $i + 1)]
    end
    postern completion held $config 2>/dev/null
end
complete -c postern -f
${lines.join('\n')}
`;
}

function fishFlags({ flags, values }: Words['options'][number]): string {
  const named = flags.map(flag => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...named, ...(values === null ? [] : [isFile(values) ? '-r' : '-x', ...fishValues(values)])].join(' ');
}

function isFile(values: Values): boolean {
  return 'kind' in values && values.kind === 'file';
}

function fishValues(values: Values): string[] {
  if ('words' in values) return [`-a ${quoted(values.words.join(' '))}`];
  return { file: ['-F'], held: ["-k -a '(__postern_held)'"], none: [] }[values.kind];
}

function quoted(text: string): string {
  return `'${quoteInside(text)}'`;
}

function quoteInside(text: string): string {
  return text.replaceAll("'", "'\\''");
}
