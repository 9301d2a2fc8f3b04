/** Machines: nodes, node show|remove; drain and resume are in drain.ts. */
import { Command } from 'commander';
import { gridCommand, type Invocation, onNode, runs } from '../command.ts';
import { dataWayTo } from '../data-way.ts';
import { nodeNamed } from '../node-named.ts';
import { ledgerTable } from '../render/ledger-view.ts';
import { nodeJson, nodeLines, nodeTable } from '../render/node-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { drainCommand, resumeCommand } from './drain.ts';

export function nodesCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand('nodes', 'List the machines of the grid.', 'nodes', 'nodes --json');
  return runs<CommonFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const nodes = await client.request('nodes', {});
      if (flags.json) printJson(terminal, nodes.map(nodeJson));
      else {
        const { style, columns } = terminal;
        const lines = [...nodeTable(nodes, style, columns), '', ...ledgerTable(nodes, columns)];
        terminal.out(`${lines.join('\n')}\n`);
      }
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
    .addCommand(drainCommand(invocation))
    .addCommand(resumeCommand(invocation))
    .addCommand(nodeRemoveCommand(invocation));
}

function nodeShowCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  return runs<CommonFlags>(
    onNode('show', 'Show a machine, its devices and what it runs.', 'node show forge'),
    invocation,
    (flags, [name = '']) =>
      withClient(terminal, flags, async (client) => {
        const node = nodeNamed(await client.request('nodes', {}), name);
        const data = await dataWayTo(node);
        const { style, columns } = terminal;
        if (flags.json) printJson(terminal, { ...nodeJson(node), data });
        else for (const line of nodeLines(node, style, columns, data)) terminal.out(`${line}\n`);
        return 0;
      }),
  );
}

function nodeRemoveCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary = 'Remove a machine for good: its key is revoked, what it ran is given up.';
  return runs<CommonFlags>(onNode('remove', summary, 'node remove forge'), invocation, (flags, [node = '']) =>
    withClient(terminal, flags, async (client) => {
      const { removed } = await client.request('removeNode', { node });
      if (flags.json) printJson(terminal, { removed });
      else terminal.out(`${removed} is removed\n`);
      return 0;
    }),
  );
}
