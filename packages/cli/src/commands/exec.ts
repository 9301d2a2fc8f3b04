/** `grid exec`: a command, or a shell, in the container of a running task. */
import { GridError } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, pairsOf, runs } from '../command.ts';
import { converse, sizeOf } from '../conversation.ts';
import { exitCodeOfSignal } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import * as values from '../task-file/values.ts';
import { taskIdOf } from '../task-id.ts';
import { printJsonLine } from '../terminal.ts';

interface ExecFlags extends CommonFlags {
  readonly interactive?: true;
  readonly tty?: true;
  readonly env?: Record<string, string>;
  readonly user?: string;
  readonly workdir?: string;
}

export function execCommand(invocation: Invocation): Command {
  const command = gridCommand(
    'exec',
    'Run a command in the container of a running task. Exits as the command does.',
    'exec -it t42 -- sh',
    'exec t42 -- cat /proc/meminfo',
    'exec -i t42 -- sh -c "cat > /tmp/data" < data',
  );
  command
    .usage('[options] ID -- COMMAND…')
    .argument('<id>', 'a task, such as t42')
    .option('-i, --interactive', 'send it what is typed or piped here')
    .option('-t, --tty', 'give it a terminal')
    .addOption(
      pairsOf(
        '--env <NAME=VALUE>',
        'set an environment variable (repeatable)',
        values.variableName,
        values.argument,
      ),
    )
    .addOption(flagOf('--workdir <path>', 'working directory, absolute', values.workdir))
    .addOption(flagOf('--user <uid[:gid]>', "user, in numbers (default: the task's)", values.user));
  return runs<ExecFlags>(command, invocation, (flags, [id]) => {
    const task = taskIdOf(id);
    const argv = commandOf(invocation.afterDashes);
    checkTerminal(flags);
    return exec(invocation, task, argv, flags);
  });
}

function commandOf(afterDashes: readonly string[] = []): readonly string[] {
  if (afterDashes.length === 0) throw new UsageError('there is nothing to run: give a command after "--"');
  return afterDashes;
}

/** In docker's words, which people know. */
function checkTerminal({ tty, json }: ExecFlags): void {
  if (tty && json) throw new UsageError('--json and -t: a terminal is no document, give only one of them');
  if (tty && !process.stdin.isTTY) throw new UsageError('-t: the input device is not a TTY');
}

async function exec(
  { terminal }: Invocation,
  task: ReturnType<typeof taskIdOf>,
  command: readonly string[],
  flags: ExecFlags,
): Promise<number> {
  const { env, user, workdir, interactive = false, tty = false, json = false } = flags;
  const options = {
    command,
    stdin: interactive,
    ...(env && { env }),
    ...(user !== undefined && { user }),
    ...(workdir !== undefined && { workdir }),
    ...(tty && { tty: sizeOf(process.stdout) }),
  };
  // The session needs the broker no more: what becomes of that must not be told across a shell's screen.
  const session = await withClient(terminal, flags, (client) => client.exec(task, options));
  const { signal, end } = await converse(session, terminal, { interactive, tty, json });
  if (signal !== undefined) return exitCodeOfSignal(signal);
  const { exitCode = null, failure } = end;
  if (exitCode === null) {
    if (failure === null) throw new Error('a session has ended with neither exit code nor failure');
    throw new GridError(failure);
  }
  if (json) printJsonLine(terminal, { exitCode, ...(failure && { failure }) });
  if (failure !== null) terminal.err(`${terminal.style.red('grid:')} ${printable(failure.message)}\n`);
  return exitCode;
}
