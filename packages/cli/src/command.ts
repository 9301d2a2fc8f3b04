/** What every command of `grid` has in common: the flags, an example, and how it fails. */
import { Command, Option } from 'commander';
import type { CommonFlags } from './settings.ts';
import type { Terminal } from './terminal.ts';

export interface Invocation {
  readonly terminal: Terminal;
  /** What followed `--` on the command line; undefined when there was none. */
  readonly afterDashes: readonly string[] | undefined;
  /** Set by the command that ran. */
  exitCode: number;
}

/** `example` without `grid`. */
export function gridCommand(name: string, summary: string, ...examples: readonly string[]): Command {
  return new Command(name)
    .description(summary)
    .addOption(new Option('--json', 'print one JSON document on stdout and nothing else there'))
    .addOption(new Option('--home <folder>', 'where this grid keeps its state (GRID_HOME)'))
    .addOption(new Option('--broker <endpoints>', 'where the broker is, separated by commas (GRID_BROKER)'))
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  $ grid ${example}`).join('\n')}`);
}

/** Runs `work` as the command's action; it returns the exit code. */
export function runs<F extends CommonFlags>(
  command: Command,
  invocation: Invocation,
  work: (flags: F, args: readonly string[]) => Promise<number>,
): Command {
  return command.action(async () => {
    invocation.exitCode = await work(command.opts<F>(), command.processedArgs.flat().filter(isText));
  });
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
