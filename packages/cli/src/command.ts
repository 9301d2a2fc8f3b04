/** What every command of `grid` has in common: the flags, an example, and how it fails. */
import { Argument, Command, Option } from 'commander';
import { UsageError } from './problem.ts';
import type { CommonFlags } from './settings.ts';
import { type Value, worker } from './task-file/values.ts';
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

/** A command about one machine. */
export function onNode(name: string, summary: string, ...examples: readonly string[]): Command {
  const node = new Argument('<node>', 'a machine, by name or id').argParser((text) => {
    if (worker.parse(text) !== undefined) return text;
    throw new UsageError(`found ${quoted(text)}, expected ${worker.expected}`);
  });
  return gridCommand(name, summary, ...examples).addArgument(node);
}

/** Runs `work` as the command's action; it returns the exit code. Flags that the command above has too, that one takes. */
export function runs<F extends CommonFlags>(
  command: Command,
  invocation: Invocation,
  work: (flags: F, args: readonly string[]) => Promise<number>,
): Command {
  return command.action(async () => {
    invocation.exitCode = await work(
      command.optsWithGlobals<F>(),
      command.processedArgs.flat().filter(isText),
    );
  });
}

/** A flag with a value. What is no such value: UsageError `--memory: found "12 GBs", expected a size such as 4GiB`. */
export function flagOf<T>(flags: string, description: string, { expected, parse }: Value<T>): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const value = parse(text);
    if (value !== undefined) return value;
    throw new UsageError(`${option.long}: found ${quoted(text)}, expected ${expected}`);
  });
}

/** A flag `NAME=VALUE` that may be given many times. */
export function pairsOf<T>(
  flags: string,
  description: string,
  names: Value<string>,
  texts: Value<T>,
): Option {
  const option = new Option(flags, description);
  const flag = option.long ?? flags;
  return option.argParser((text, before: Record<string, T> | undefined) => {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at));
    const written = text.slice(at + 1);
    if (at < 1) throw new UsageError(`${flag}: found ${quoted(text)}, expected NAME=VALUE`);
    if (names.parse(name) === undefined)
      throw new UsageError(`${flag}: found ${quoted(name)}, expected ${names.expected}`);
    const value = texts.parse(written);
    if (value === undefined)
      throw new UsageError(`${flag} ${name}: found ${quoted(written)}, expected ${texts.expected}`);
    return { ...before, [name]: value };
  });
}

/** A flag that may be given many times. */
export function listOf<T>(flags: string, description: string, { expected, parse }: Value<T>): Option {
  const option = new Option(flags, description);
  return option.argParser((text, before: readonly T[] | undefined) => {
    const value = parse(text);
    if (value === undefined)
      throw new UsageError(`${option.long}: found ${quoted(text)}, expected ${expected}`);
    return [...(before ?? []), value];
  });
}

/** Of whoever starts a worker. */
export function policyFlag(): Option {
  return new Option('--policy <file>', 'what tasks may have of this machine (GRID_POLICY)');
}

/** Of whatever begins a worker. */
export function llamaServerFlag(): Option {
  return new Option(
    '--llama-server <programs>',
    'what loads models, by name or path, ":" between (GRID_LLAMA_SERVER)',
  );
}

const shownChars = 60;

/** Of what was written, enough to know it again. */
function quoted(text: string): string {
  return JSON.stringify(text.length > shownChars ? `${text.slice(0, shownChars)}…` : text);
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
