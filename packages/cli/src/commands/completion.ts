/** `grid completion bash|zsh|fish`: a script for the shell, made from the commands themselves. */
import { Argument, type Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import type { CommonFlags } from '../settings.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** The words that may follow `path` (such as `node drain`). */
interface Words {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly { readonly name: string; readonly summary: string }[];
}

export function completionCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'completion',
    'Print a completion script for your shell.',
    'completion bash > /etc/bash_completion.d/grid',
    'completion fish > ~/.config/fish/completions/grid.fish',
  ).addArgument(new Argument('<shell>', 'your shell').choices(shells));
  return runs<CommonFlags>(command, invocation, async (_, [shell]) => {
    const words = wordsOf(command.parent ?? command, '');
    terminal.out(scripts[shell as Shell](words));
    return 0;
  });
}

function wordsOf(command: Command, path: string): readonly Words[] {
  const visible = command.createHelp().visibleCommands(command);
  const commands = visible.map((sub) => ({ name: sub.name(), summary: sub.description() }));
  const flags = command.options
    .filter(({ hidden, long }) => !hidden && long !== undefined)
    .map(({ long, description }) => ({ name: long ?? '', summary: description }));
  const below = visible.flatMap((sub) => wordsOf(sub, path === '' ? sub.name() : `${path} ${sub.name()}`));
  return [
    { path, commands, flags: [...flags, { name: '--help', summary: 'explain this command' }] },
    ...below,
  ];
}

const names = ({ commands, flags }: Words): string =>
  [...commands, ...flags].map(({ name }) => name).join(' ');

/** Shared by bash and zsh: both know `case`, and the path is what was typed without flags. */
function cases(words: readonly Words[]): string {
  return words.map((each) => `    '${each.path}') candidates='${names(each)}' ;;`).join('\n');
}

const scripts: Readonly<Record<Shell, (words: readonly Words[]) => string>> = {
  bash: (words) => `# bash completion of grid
_grid() {
  local candidates='' path='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  case "$path" in
${cases(words)}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _grid grid
`,
  zsh: (words) => `#compdef grid
# zsh completion of grid
compdef _grid grid
_grid() {
  local candidates='' typed='' word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] || typed="\${typed:+$typed }$word"
  done
  case "$typed" in
${cases(words)}
  esac
  if [[ -n $candidates ]]; then compadd -- \${=candidates}; else _files; fi
}
# Loaded from $fpath, this file is the function's body.
if [ "$funcstack[1]" = _grid ]; then _grid; fi
`,
  fish: (words) => `# fish completion of grid
function __grid_path
  string join ' ' -- (commandline -opc)[2..] | string replace -ra '(^| )-[^ ]*' ''
end
${words.map(fishLines).join('\n')}
`,
};

function fishLines({ path, commands, flags }: Words): string {
  const here = `-n "test (__grid_path) = '${path}'"`;
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  return [
    ...commands.map(({ name, summary }) => `complete -c grid -f ${here} -a ${name} -d ${quote(summary)}`),
    ...flags.map(({ name, summary }) => `complete -c grid ${here} -l ${name.slice(2)} -d ${quote(summary)}`),
  ].join('\n');
}
