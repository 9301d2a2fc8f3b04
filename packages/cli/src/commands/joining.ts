/** How machines and people get into the grid: `grid ticket create` on one side, `grid join` on the other. */
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { gridOf, joinGrid, loadMembership } from '@gryphgen/client';
import { type EnrolledRole, enrolledRoles, formatBytes, formatDuration } from '@gryphgen/protocol';
import {
  type Config,
  identityFromSeed,
  loadIdentity,
  makePrivateFolder,
  principalIdOf,
  readTicket,
  saveSettings,
  systemRandom,
  type Ticket,
  ticketIdOf,
  workerIdOf,
  writeTicket,
} from '@gryphgen/runtime';
import { Argument, Command, Option } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { nearestFolder } from '../doctor/machine.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { carryOut, planService, type ServicePlan } from '../systemd/service-install.ts';
import type { ServiceState } from '../systemd/service-state.ts';
import { Systemctl, scopeHere } from '../systemd/systemctl.ts';
import { defaultHome, refuseSecondWorker, unitPlace } from '../systemd/unit-place.ts';
import type { Scope } from '../systemd/unit-text.ts';
import { type OfferFlags, offerArgs, withOfferFlags } from '../systemd/worker-flags.ts';
import { endpoints, ticketTtl } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { ticketLsCommand, ticketRevokeCommand } from './principals.ts';
import { notesOf, tellState } from './service.ts';

const seedBytes = 32;
const hourMs = 3600_000;

interface TicketFlags extends CommonFlags {
  readonly role: EnrolledRole;
  readonly ttl?: number;
  readonly reach?: readonly string[];
}

export function ticketCommand(invocation: Invocation): Command {
  return new Command('ticket')
    .description('What a machine or a person needs to join this grid.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid ticket create --role submitter')
    .addCommand(ticketCreateCommand(invocation))
    .addCommand(ticketLsCommand(invocation))
    .addCommand(ticketRevokeCommand(invocation));
}

function ticketCreateCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'create',
    'Print a ticket: good once, for a while. Whoever has it can join, so send it as you would a password.',
    'ticket create',
    'ticket create --role submitter --ttl 10m',
  )
    .addOption(new Option('--role <role>', 'what it lets in').choices([...enrolledRoles]).default('worker'))
    .addOption(flagOf('--ttl <duration>', 'how long it is good (default: 1h)', ticketTtl))
    .addOption(
      flagOf(
        '--reach <endpoints>',
        'where others find the broker, when it is not where it listens (behind NAT, by name)',
        endpoints,
      ),
    );
  return runs<TicketFlags>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const { role, ttl: ttlMs = hourMs, reach } = flags;
      const seed = systemRandom.bytes(seedBytes);
      // Its secret half is made here, and never told to the broker.
      const { key, curve } = identityFromSeed(seed);
      const asked = { key, curveKey: curve.publicKey, role, ttlMs };
      const { endpoints: found, expiresAt } = await client.request('createTicket', asked);
      const brokers = reach ?? found;
      if (brokers.length === 0) throw new UsageError(unreachable);
      const { gridKey, brokerKey, brokerCurveKey } = loadMembership(settingsOf(terminal, flags).home);
      const word = writeTicket({
        seed: seed.toString('base64url'),
        gridKey,
        brokerKey,
        brokerCurveKey,
        brokers: brokers.slice(0, mostBrokers),
        role,
        expiresAt,
      });
      if (flags.json) printJson(terminal, { id: ticketIdOf(key), ticket: word, role, expiresAt, brokers });
      else {
        terminal.out(`${word}\n`);
        terminal.err(`good once, for ${formatDuration(ttlMs)}: there, "grid join" lets in one ${role}\n`);
      }
      return 0;
    }),
  );
}

const mostBrokers = 16;
const unreachable =
  'the broker listens on this machine alone: start it with "grid up --listen tcp://0.0.0.0:7600", or say by --reach where others find it';

interface JoinFlags extends CommonFlags, OfferFlags {
  readonly name?: string;
  readonly yes?: true;
  readonly service: boolean;
}

export function joinCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withOfferFlags(
    gridCommand(
      'join',
      'Join a grid with a ticket: as a machine that works for it, or as somebody who may use it.',
      'join grid-eyJ2…',
      'join - < ticket.txt',
    ),
    'its service: ',
  )
    .addArgument(new Argument('<ticket>', 'as "grid ticket create" printed it; - reads it from stdin'))
    .option('--name <name>', 'what this machine is called (GRID_NAME)')
    .option('--yes', 'do not ask')
    .option('--no-service', 'a machine: do not have systemd start its worker');
  return runs<JoinFlags>(command, invocation, async (flags, [word = '']) => {
    const ticket = readTicket(word === '-' ? await readAll(process.stdin) : word);
    if (typeof ticket === 'string') throw new UsageError(ticket);
    const scope = ticket.role === 'worker' && flags.service ? scopeHere(terminal.env) : undefined;
    const args = offerArgs(flags);
    if (scope === undefined && args.length > 0)
      throw new UsageError(
        `${args[0]}: no service is installed that it could be for; "grid worker" takes it`,
      );
    const { home, name: machine } = joinSettings(terminal, flags, scope);
    const name = ticket.role === 'worker' ? machine : `${userInfo().username}@${machine}`;
    if (!flags.yes) await confirm(terminal, ticket, home, name, scope);
    // A ticket is good once: what would be in the way of the service is told before.
    if (scope !== undefined) planWorker(terminal, scope, home, args);
    makePrivateFolder(home);
    const role = await joinGrid(home, ticket, name);
    const named = flags.name === undefined ? {} : { name: machine };
    saveSettings(home, { broker: [...ticket.brokers], ...named });
    const service = scope === undefined ? undefined : await startWorker(terminal, scope, home, args);
    tellJoined(terminal, flags, { role, home, name, ticket, service });
    return 0;
  });
}

/** The worker of a system's service has its home where that finds it. */
function joinSettings(terminal: Terminal, flags: JoinFlags, scope: Scope | undefined): Config {
  const settings = settingsOf(terminal, flags, { name: flags.name });
  if (scope === undefined || settings.origins.home !== 'default') return settings;
  const home = defaultHome(unitPlace('worker', scope, undefined, terminal.env), settings);
  return settingsOf(terminal, { ...flags, home }, { name: flags.name });
}

/** Its name and where its broker is stand in the home's settings. */
function planWorker(terminal: Terminal, scope: Scope, home: string, args: readonly string[]): ServicePlan {
  const place = unitPlace('worker', scope, undefined, terminal.env);
  refuseSecondWorker(place, home, { name: undefined, env: terminal.env });
  return planService({ place, config: settingsOf(terminal, { home }), args, docker: true });
}

async function startWorker(
  terminal: Terminal,
  scope: Scope,
  home: string,
  args: readonly string[],
): Promise<ServiceState> {
  const plan = planWorker(terminal, scope, home, args);
  const state = await carryOut(plan, new Systemctl(scope, terminal.env)).catch((error: unknown) => {
    const again = ['grid service install worker', ...args].join(' ');
    terminal.err(`this machine has joined, and its worker does not run yet: "${again}" tries again\n`);
    throw error;
  });
  for (const line of notesOf(plan)) terminal.err(`${line}\n`);
  return state;
}

interface Joined {
  readonly role: EnrolledRole;
  readonly home: string;
  readonly name: string;
  readonly ticket: Ticket;
  /** Of the worker, where one was installed. */
  readonly service: ServiceState | undefined;
}

function tellJoined(
  terminal: Terminal,
  { json }: CommonFlags,
  { role, home, name, ticket, service }: Joined,
): void {
  const { key } = loadIdentity(home, role);
  const id = role === 'worker' ? workerIdOf(key) : principalIdOf(key);
  const grid = gridOf(ticket);
  if (json) {
    const { unit, state } = service ?? {};
    printJson(terminal, { grid, role, id, name, home, brokers: ticket.brokers, unit, state });
    return;
  }
  terminal.out(`${name} has joined ${grid} as ${role} ${id}\n`);
  if (service !== undefined) tellState(terminal, {}, service);
  else terminal.out(role === 'worker' ? 'start its worker: grid worker\n' : 'try it: grid nodes\n');
}

/** What joins, before it does. Nobody is there to be asked: --yes says that somebody wants it. */
async function confirm(
  terminal: Terminal,
  ticket: Ticket,
  home: string,
  name: string,
  scope: Scope | undefined,
): Promise<void> {
  const { role, brokers } = ticket;
  const what =
    role === 'worker' ? `this machine, ${name}: ${await machineWords(home)}` : `you, ${name}, as ${role}`;
  const unit = scope === undefined ? '' : '; systemd starts its worker now and with the machine';
  const question = `${gridOf(ticket)} at ${brokers.join(', ')} lets in ${what}${unit}`;
  if (process.stdin.isTTY !== true) throw new UsageError(`${question}\n--yes joins without asking`);
  terminal.err(`${question}\n`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question('Join? [Y/n] ');
    if (!/^(y|yes|)$/i.test(answer.trim())) throw new UsageError('not joined');
  } finally {
    lines.close();
  }
}

async function machineWords(home: string): Promise<string> {
  const { findDevices, probeMachine } = await import('@gryphgen/worker');
  const [{ cpuMilli, memoryBytes }, found] = await Promise.all([
    probeMachine(nearestFolder(home)),
    findDevices(),
  ]);
  const devices = found.ok ? found.reading.devices.map(({ device }) => device) : [];
  const cards = devices.map(({ name, vramBytes }) => `${name} with ${formatBytes(vramBytes)}`);
  return [`${cpuMilli / 1000} CPUs`, formatBytes(memoryBytes), ...cards].join(', ');
}
