/** `grid engine`: what the machines serve models with. */
import { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { enginesOf, engineTable } from '../render/engine-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { engineAddCommand, engineInstallCommand, engineRemoveCommand } from './engine-change.ts';

export function engineCommand(invocation: Invocation): Command {
  return new Command('engine')
    .description('What machines serve models with.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid engine ls\n  $ grid engine add /opt/llama-cuda/bin/llama-server',
    )
    .addCommand(listCommand(invocation))
    .addCommand(engineAddCommand(invocation))
    .addCommand(engineInstallCommand(invocation))
    .addCommand(engineRemoveCommand(invocation));
}

function listCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'ls',
    'List the engines that workers have found.',
    'engine ls',
    'engine ls --json',
  );
  return runs<CommonFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const engines = enginesOf(await client.request('nodes', {}));
      if (flags.json) printJson(terminal, engines);
      else for (const line of engineTable(engines, terminal)) terminal.out(`${line}\n`);
      return 0;
    }),
  );
}
