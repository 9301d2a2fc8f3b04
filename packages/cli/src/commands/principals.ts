/** Who may enter beside machines: principal ls|revoke, and the tickets that are good still: ticket ls|revoke. */
import { limits, type PrincipalId } from '@gryphgen/protocol';
import { Argument, Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { principalJson, principalTable, ticketJson, ticketTable } from '../render/principal-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { principalName, ticketName, type Value } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';

export function principalCommand(invocation: Invocation): Command {
  return new Command('principal')
    .description('Persons and services that may enter this grid.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid principal ls')
    .addCommand(principalLsCommand(invocation))
    .addCommand(principalRevokeCommand(invocation));
}

function principalLsCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary = 'List persons and services: their roles, when they were seen, what they have and may have.';
  const command = gridCommand('ls', summary, 'principal ls', 'principal ls --json');
  return runs<CommonFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const principals = await client.request('principals', { limit: limits.queryRows });
      if (flags.json) printJson(terminal, principals.map(principalJson));
      else
        for (const line of principalTable(principals, Date.now(), terminal.columns))
          terminal.out(`${line}\n`);
      return 0;
    }),
  );
}

function principalRevokeCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Let a key in no more: its sessions end at once; its tasks go on, for admins to see and cancel.';
  const command = gridCommand('revoke', summary, 'principal revoke p-0123456789abcdef').addArgument(
    named('principal', principalName),
  );
  return runs<CommonFlags>(command, invocation, (flags, [principal]) =>
    withClient(terminal, flags, async (client) => {
      const { revoked } = await client.request('revokePrincipal', { principal: principal as PrincipalId });
      if (flags.json) printJson(terminal, { revoked });
      else terminal.out(`${revoked} is revoked\n`);
      return 0;
    }),
  );
}

export function ticketLsCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand('ls', 'List the tickets that nobody has used and that are good.', 'ticket ls');
  return runs<CommonFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const tickets = await client.request('tickets', {});
      if (flags.json) printJson(terminal, tickets.map(ticketJson));
      else for (const line of ticketTable(tickets, Date.now(), terminal.columns)) terminal.out(`${line}\n`);
      return 0;
    }),
  );
}

export function ticketRevokeCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'revoke',
    'Let a ticket let nobody in.',
    'ticket revoke ticket-0123456789abcdef',
  ).addArgument(named('ticket', ticketName));
  return runs<CommonFlags>(command, invocation, (flags, [ticket = '']) =>
    withClient(terminal, flags, async (client) => {
      const { revoked } = await client.request('revokeTicket', { ticket });
      if (flags.json) printJson(terminal, { revoked });
      else terminal.out(`${revoked} is revoked\n`);
      return 0;
    }),
  );
}

/** An argument that is the id of something. */
function named(what: string, { expected, parse }: Value<string>): Argument {
  return new Argument(`<${what}>`, `its id, as "grid ${what} ls" lists it`).argParser((written) => {
    if (parse(written) !== undefined) return written;
    throw new UsageError(`found ${JSON.stringify(written.slice(0, 60))}, expected ${expected}`);
  });
}
