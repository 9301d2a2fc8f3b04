/** `grid completion bash|zsh|fish`: a script for the shell, made from the commands themselves. */
import { Argument, type Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import type { CommonFlags } from '../settings.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** What may follow the commands of `path` (such as `node drain`). */
interface Words {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly Flag[];
}

interface Flag {
  readonly name: string;
  readonly summary: string;
  readonly takesValue: boolean;
}

export function completionCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'completion',
    'Print a completion script for your shell.',
    'completion bash > /etc/bash_completion.d/grid',
    'completion zsh > /usr/local/share/zsh/site-functions/_grid',
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
    .map(({ long, description, required }) => ({
      name: long ?? '',
      summary: description,
      takesValue: required,
    }));
  const help = { name: '--help', summary: 'explain this command', takesValue: false };
  const below = visible.flatMap((sub) => wordsOf(sub, path === '' ? sub.name() : `${path} ${sub.name()}`));
  return [{ path, commands, flags: [...flags, help] }, ...below];
}

const names = ({ commands, flags }: Words): string =>
  [...commands, ...flags].map(({ name }) => name).join(' ');

const valueFlags = (words: readonly Words[]): readonly string[] => [
  ...new Set(
    words.flatMap(({ flags }) => flags.filter(({ takesValue }) => takesValue).map(({ name }) => name)),
  ),
];

const paths = (words: readonly Words[]): readonly string[] =>
  words.map(({ path }) => path).filter((path) => path !== '');

/**
 * Shared by bash and zsh: from `$word`s to `$typed`, the commands among them, and `$previous`, the last of them unless
 * it was the value of a flag. (`$path` is zsh's own.) What follows `--` is no business of grid.
 */
const walk = (words: readonly Words[], otherwise: string): string => `    [[ $word == -- ]] && ${otherwise}
    case "$previous" in
      ${valueFlags(words).join('|')}) previous=''; continue ;;
    esac
    previous=$word
    case "\${typed:+$typed }$word" in
      ${paths(words)
        .map((path) => `'${path}'`)
        .join('|')}) typed="\${typed:+$typed }$word" ;;
    esac`;

const choose = (words: readonly Words[], otherwise: string): string => `  case "$previous" in
    ${valueFlags(words).join('|')}) ${otherwise} ;;
  esac
  case "$typed" in
${words.map((each) => `    '${each.path}') candidates='${names(each)}' ;;`).join('\n')}
  esac`;

const scripts: Readonly<Record<Shell, (words: readonly Words[]) => string>> = {
  bash: (words) => `# bash completion of grid
_grid() {
  local candidates='' typed='' previous='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
${walk(words, 'return')}
  done
${choose(words, 'return')}
  COMPREPLY=($(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _grid grid
`,
  zsh: (words) => `#compdef grid
# zsh completion of grid
compdef _grid grid
_grid() {
  local candidates='' typed='' previous='' word
  for word in "\${(@)words[2,CURRENT-1]}"; do
${walk(words, '{ _files; return }')}
  done
${choose(words, '_files; return')}
  compadd -- \${=candidates} || _files
}
# Loaded from $fpath, this file is the function's body.
if [ "$funcstack[1]" = _grid ]; then _grid; fi
`,
  fish: (words) => `# fish completion of grid
function __grid_path
  set -l path
  set -l previous
  for word in (commandline -opc)[2..]
    if test "$word" = --
      return
    end
    if contains -- "$previous" ${valueFlags(words).join(' ')}
      set previous ''
      continue
    end
    set previous "$word"
    set -l longer (string trim -- "$path $word")
    if contains -- "$longer" ${paths(words)
      .map((path) => `'${path}'`)
      .join(' ')}
      set path "$longer"
    end
  end
  echo ".$path"
end
# The dot tells the beginning, where there is no command yet, from what follows "--".
function __grid_at
  set -l path (__grid_path)
  test "$path" = ".$argv[1]"
end
${words.map(fishLines).join('\n')}
`,
};

function fishLines({ path, commands, flags }: Words): string {
  const here = `-n "__grid_at '${path}'"`;
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  return [
    ...commands.map(({ name, summary }) => `complete -c grid -f ${here} -a ${name} -d ${quote(summary)}`),
    ...flags.map(
      ({ name, summary, takesValue }) =>
        `complete -c grid ${here} -l ${name.slice(2)}${takesValue ? ' -r' : ''} -d ${quote(summary)}`,
    ),
  ].join('\n');
}
