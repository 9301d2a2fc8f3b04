/** All of `grid`: its commands in the order of --help, and how a mistake on the command line is told. */
import { productVersion } from '@gryphgen/protocol';
import { Command, CommanderError } from 'commander';
import type { Invocation } from './command.ts';
import { auditCommand } from './commands/audit.ts';
import { backupCommand, restoreCommand } from './commands/backup.ts';
import { chatCommand } from './commands/chat.ts';
import { completionCommand } from './commands/completion.ts';
import { configCommand } from './commands/config.ts';
import { brokerCommand, gatewayCommand, retrievalCommand, workerCommand } from './commands/daemons.ts';
import { doctorCommand } from './commands/doctor.ts';
import { engineCommand } from './commands/engine.ts';
import { evolveCommand } from './commands/evolve.ts';
import { execCommand } from './commands/exec.ts';
import { fsckCommand } from './commands/fsck.ts';
import { getCommand } from './commands/get.ts';
import { imageCommand } from './commands/image.ts';
import { inferCommand } from './commands/infer.ts';
import { joinCommand, ticketCommand } from './commands/joining.ts';
import { keyCommand } from './commands/key.ts';
import { laterCommands } from './commands/later.ts';
import { modelsCommand } from './commands/models.ts';
import { nodeCommand, nodesCommand } from './commands/nodes.ts';
import { principalCommand } from './commands/principals.ts';
import { ragCommand } from './commands/rag.ts';
import { serviceCommand } from './commands/service.ts';
import { simulateCommand } from './commands/simulate.ts';
import { runCommand, submitCommand } from './commands/submit.ts';
import { supportBundleCommand } from './commands/support-bundle.ts';
import {
  cancelCommand,
  explainCommand,
  logsCommand,
  psCommand,
  retryCommand,
  showCommand,
  waitCommand,
} from './commands/tasks.ts';
import { topCommand } from './commands/top.ts';
import { tuneCommand } from './commands/tune.ts';
import { downCommand, upCommand } from './commands/up.ts';
import { usageExit } from './exit-codes.ts';
import { report } from './problem.ts';
import { printJson, type Terminal } from './terminal.ts';

/** Longer lines are hard to read. */
const helpColumns = 110;

const ownGroup = 'This command line:';

const groups: readonly (readonly [string, readonly ((invocation: Invocation) => Command)[]])[] = [
  ['This machine:', [upCommand, downCommand, brokerCommand, workerCommand, retrievalCommand, gatewayCommand]],
  ['This machine:', [serviceCommand, doctorCommand]],
  ['Tasks:', [submitCommand, runCommand, psCommand, showCommand, logsCommand, waitCommand]],
  ['Tasks:', [getCommand, execCommand, cancelCommand, retryCommand, explainCommand]],
  ['The grid:', [nodesCommand, nodeCommand, imageCommand, topCommand]],
  ['The grid:', [ticketCommand, joinCommand, principalCommand, simulateCommand, evolveCommand]],
  ['Retrieval:', [ragCommand]],
  ['Models:', [modelsCommand, inferCommand, chatCommand, tuneCommand, engineCommand, keyCommand]],
  ['What is kept:', [fsckCommand, backupCommand, restoreCommand, auditCommand, supportBundleCommand]],
  [ownGroup, [configCommand, completionCommand]],
];

/** Runs one command line (without the program's own name) and returns the exit code. */
export async function run(terminal: Terminal, args: readonly string[]): Promise<number> {
  const dashes = args.indexOf('--');
  const own = dashes === -1 ? args : args.slice(0, dashes);
  const afterDashes = dashes === -1 ? undefined : args.slice(dashes + 1);
  const invocation: Invocation = { terminal, afterDashes, exitCode: 0 };
  const json = own.includes('--json');
  const program = programOf(invocation);
  const complaint: string[] = [];
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .showHelpAfterError(hintOf(command))
      .configureOutput({
        writeOut: (text) => terminal.out(text),
        writeErr: (text) => complaint.push(text),
        outputError: (text) => complaint.push(text),
        getOutHelpWidth: () => Math.min(terminal.columns, helpColumns),
      });
  }
  try {
    if (own.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...own], { from: 'user' });
    return invocation.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(terminal, error, json);
    if (error.exitCode === 0) return 0;
    const isGroupAlone = error.code === 'commander.help';
    return tellUsage(terminal, isGroupAlone ? groupWords(program, own[0]) : complaint.join(''), json);
  }
}

function programOf(invocation: Invocation): Command {
  const program = new Command('grid')
    .description('One grid out of the machines you own.')
    .version(productVersion, '--version')
    .addHelpCommand(
      new Command('help').argument('[command]').description('Explain a command.').helpGroup(ownGroup),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid up --detach\n  $ grid submit --wait -- echo hello\n  $ grid explain t1',
    );
  for (const [title, commands] of groups)
    for (const make of commands) program.addCommand(make(invocation).helpGroup(title));
  for (const command of laterCommands()) program.addCommand(command, { hidden: true });
  return program;
}

function hintOf(command: Command): string {
  const path = pathOf(command);
  if (command.parent === null) return '("grid --help" lists the commands)';
  const takesCommand = command.name() === 'submit' || command.name() === 'exec';
  const dashes = takesCommand ? 'a command to run goes after "--"; ' : '';
  return `(${dashes}"${path} --help" explains the command)`;
}

function pathOf(command: Command): string {
  return command.parent === null ? 'grid' : `${pathOf(command.parent)} ${command.name()}`;
}

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** `grid node` alone: which of its commands was meant? */
function groupWords(program: Command, name: string | undefined): string {
  const group = program.commands.find((command) => command.name() === name) ?? program;
  const names = group.commands.map((command) => command.name()).join(', ');
  return `found "${pathOf(group)}" alone, expected one of ${names} after it\n${hintOf(group)}`;
}

function tellUsage(terminal: Terminal, complaint: string, json: boolean): number {
  const message = complaint.replace(/^error: /, '').trim();
  if (json) printJson(terminal, { failure: { code: 'rejected.invalid', message } });
  terminal.err(`${terminal.style.red('grid:')} ${message}\n`);
  return usageExit;
}
