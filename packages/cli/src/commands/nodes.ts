/** Machines: nodes, node show|drain|resume|remove. */
import { failure, GridError } from '@gryphgen/protocol';
import { Argument, Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { nodeJson, nodeLines, nodeTable } from '../render/node-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { worker } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';

export function nodesCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand('nodes', 'List the machines of the grid.', 'nodes', 'nodes --json');
  return runs<CommonFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const nodes = await client.request('nodes', {});
      if (flags.json) printJson(terminal, nodes.map(nodeJson));
      else for (const line of nodeTable(nodes, terminal.style, terminal.columns)) terminal.out(`${line}\n`);
      return 0;
    }),
  );
}

export function nodeCommand(invocation: Invocation): Command {
  return new Command('node')
    .description('Show one machine, or change what it may do.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid node drain forge')
    .addCommand(nodeShowCommand(invocation))
    .addCommand(
      drainCommand(invocation, 'drain', true, 'Give a machine no new tasks; what runs there ends by itself.'),
    )
    .addCommand(drainCommand(invocation, 'resume', false, 'Give a drained machine tasks again.'))
    .addCommand(nodeRemoveCommand(invocation));
}

function nodeShowCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  return runs<CommonFlags>(
    onNode('show', 'Show a machine, its devices and what it runs.'),
    invocation,
    (flags, [name]) =>
      withClient(terminal, flags, async (client) => {
        const nodes = await client.request('nodes', {});
        const node = nodes.find(({ id }) => id === name) ?? nodes.find((each) => each.name === name);
        if (node === undefined)
          throw new GridError(failure('rejected.not-found', `no node "${name}" on this grid`));
        if (flags.json) printJson(terminal, nodeJson(node));
        else for (const line of nodeLines(node, terminal.style, terminal.columns)) terminal.out(`${line}\n`);
        return 0;
      }),
  );
}

function drainCommand(invocation: Invocation, name: string, draining: boolean, summary: string): Command {
  const { terminal } = invocation;
  return runs<CommonFlags>(onNode(name, summary), invocation, (flags, [node = '']) =>
    withClient(terminal, flags, async (client) => {
      const document = await client.request('drain', { node, draining });
      if (flags.json) printJson(terminal, nodeJson(document));
      else terminal.out(`${document.name} is ${document.state}, runs ${document.tasks.length} tasks\n`);
      return 0;
    }),
  );
}

function nodeRemoveCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary = 'Remove a machine for good: its key is revoked, what it ran is given up.';
  return runs<CommonFlags>(onNode('remove', summary), invocation, (flags, [node = '']) =>
    withClient(terminal, flags, async (client) => {
      const { removed } = await client.request('removeNode', { node });
      if (flags.json) printJson(terminal, { removed });
      else terminal.out(`${removed} is removed\n`);
      return 0;
    }),
  );
}

function onNode(name: string, summary: string): Command {
  const node = new Argument('<node>', 'a machine, by name or id').argParser((text) => {
    if (worker.parse(text) !== undefined) return text;
    throw new UsageError(`found ${JSON.stringify(text.slice(0, 60))}, expected ${worker.expected}`);
  });
  return gridCommand(name, summary, `node ${name} forge`).addArgument(node);
}
