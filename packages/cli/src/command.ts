/** What every command of `grid` has in common: the flags, an example, and how it fails. */
import { Command, Option } from 'commander';
import { UsageError } from './problem.ts';
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

/** A flag that is known by the contract, not by this version: said, not ignored. */
export function refuseFlag(command: Command, name: string, why: string): Command {
  return command.addOption(new Option(`--${name}`).hideHelp()).on(`option:${name}`, () => {
    throw new UsageError(`--${name} is of a later version of grid: ${why}`);
  });
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
