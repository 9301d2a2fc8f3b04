/** `grid service`: broker, worker, retrieval and gateway as services of systemd. */
import { resolve } from 'node:path';
import { Argument, Command } from 'commander';
import { flagOf, gridCommand, type Invocation, policyFlag, runs } from '../command.ts';
import { failedExit } from '../exit-codes.ts';
import { UsageError } from '../problem.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { carryOut, needGrid, planService } from '../systemd/service-install.ts';
import { uninstall } from '../systemd/service-removal.ts';
import { type ServiceState, serviceState } from '../systemd/service-state.ts';
import { needScope, Systemctl } from '../systemd/systemctl.ts';
import { refuseSecondWorker, type UnitPlace, unitPlace } from '../systemd/unit-place.ts';
import { type DaemonName, daemons } from '../systemd/unit-text.ts';
import { type OfferFlags, offerArgs, withOfferFlags } from '../systemd/worker-flags.ts';
import type { Value } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface ServiceFlags extends CommonFlags {
  readonly name?: string;
}

const serviceName: Value<string> = {
  expected: 'a name of lower-case letters, digits and dashes, 31 at most, such as lab',
  parse: (text) => (/^[a-z0-9][a-z0-9-]{0,30}$/.test(text) ? text : undefined),
};

export function serviceCommand(invocation: Invocation): Command {
  return new Command('service')
    .description('Broker, worker, retrieval and gateway as services of systemd.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ sudo grid service install worker\n  $ grid service status broker')
    .addCommand(installCommand(invocation))
    .addCommand(uninstallCommand(invocation))
    .addCommand(statusCommand(invocation));
}

function onDaemon(name: string, summary: string, ...examples: readonly string[]): Command {
  return gridCommand(name, summary, ...examples)
    .addArgument(new Argument('<daemon>', 'which').choices(daemons))
    .addOption(flagOf('--name <name>', 'which of several grids on this machine', serviceName));
}

interface InstallFlags extends ServiceFlags, OfferFlags {
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly policy?: string;
  readonly docker: boolean;
}

function installCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withOfferFlags(
    onDaemon(
      'install',
      'Start it now, and whenever this machine starts: as root for the system, else for yourself.',
      'service install broker --listen tcp://0.0.0.0:7600',
      'service install worker --retrieval --label rack=a',
    ),
    'worker: ',
    'worker, retrieval: ',
  )
    .option('--listen <endpoints>', 'broker, gateway: where it listens (GRID_LISTEN, GRID_GATEWAY_LISTEN)')
    .option('--tls-cert <file>', 'gateway: its certificate')
    .option('--tls-key <file>', 'gateway: the key of that')
    .addOption(policyFlag())
    .option(
      '--no-docker',
      'worker: not in group docker, which is as good as root; then it has no containers',
    );
  return runs<InstallFlags>(command, invocation, async (flags, [daemon]) => {
    const { listen, policy, docker } = flags;
    const where = daemon === 'gateway' ? { gatewayListen: listen } : { listen };
    const config = settingsOf(terminal, flags, { ...where, policy });
    const args = argsOf(daemon as DaemonName, flags);
    const { place, systemctl } = ask(terminal, daemon as DaemonName, flags);
    const plan = planService({ place, config, args, docker });
    refuseSecondWorker(place, plan.home, { name: flags.name, env: terminal.env });
    needGrid(place.daemon, plan.home);
    const state = await carryOut(plan, systemctl);
    if (!flags.json) for (const line of notesOf(plan)) terminal.err(`${line}\n`);
    return tellState(terminal, flags, state);
  });
}

/** Flags of the daemon that are no settings. Throws UsageError of those that are another's. */
function argsOf(daemon: DaemonName, flags: InstallFlags): readonly string[] {
  const { tlsCert, tlsKey } = flags;
  const files = { '--tls-cert': tlsCert, '--tls-key': tlsKey };
  const ofGateway = Object.entries(files).flatMap(([flag, path]) =>
    path === undefined ? [] : [flag, resolve(path)],
  );
  const ofWorker = offerArgs(flags);
  const [other] = [...(daemon === 'gateway' ? [] : ofGateway), ...foreignTo(daemon, flags)];
  if (other !== undefined) throw new UsageError(`${other}: a ${daemon} has no such flag`);
  return [...ofWorker, ...ofGateway];
}

/** Which of a worker's flags are none of its. */
function foreignTo(daemon: DaemonName, flags: OfferFlags): readonly string[] {
  if (daemon === 'worker') return [];
  const all = offerArgs(flags);
  return daemon === 'retrieval' ? all.filter((arg) => ['--allow-process', '--retrieval'].includes(arg)) : all;
}

/** What whoever installs it should know of it. */
export function notesOf({ place, groups }: ReturnType<typeof planService>): readonly string[] {
  const notes: string[] = [];
  if (groups.includes('docker'))
    notes.push(
      'its user gryphgen is in group docker, for containers: whoever controls it is as good as root here',
    );
  if (place.scope === 'user')
    notes.push('it runs while you are logged in; always, after: loginctl enable-linger');
  return notes;
}

function uninstallCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onDaemon(
    'uninstall',
    'Stop it and remove its unit. Its state stays.',
    'service uninstall worker --purge',
  ).option('--purge', 'remove its state as well: keys, journal, logs');
  return runs<ServiceFlags & { purge?: true }>(command, invocation, async (flags, [daemon]) => {
    const { place, systemctl } = ask(terminal, daemon as DaemonName, flags);
    const { purge = false, name } = flags;
    const removed = await uninstall(place, systemctl, { purge, name, env: terminal.env });
    if (flags.json) printJson(terminal, { unit: place.unit, uninstalled: removed !== undefined, ...removed });
    else if (removed === undefined) terminal.out(`${place.unit} is not installed\n`);
    else {
      const state = removed.purged ? 'its state is gone' : `its state stays in ${removed.home}`;
      terminal.out(`${place.unit} is uninstalled; ${state}\n`);
    }
    return 0;
  });
}

function statusCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onDaemon(
    'status',
    'How it is. Exit code 0 when it answers, else 1.',
    'service status worker',
  );
  return runs<ServiceFlags>(command, invocation, async (flags, [daemon]) => {
    const { place, systemctl } = ask(terminal, daemon as DaemonName, flags);
    const state = await serviceState(place, systemctl);
    if (state !== undefined) return tellState(terminal, flags, state);
    if (flags.json) printJson(terminal, { unit: place.unit, state: 'not installed' });
    else terminal.out(`${place.unit} is not installed: grid service install ${place.daemon}\n`);
    return failedExit;
  });
}

function ask(
  { env }: Terminal,
  daemon: DaemonName,
  { name }: ServiceFlags,
): { place: UnitPlace; systemctl: Systemctl } {
  const scope = needScope(env);
  return { place: unitPlace(daemon, scope, name, env), systemctl: new Systemctl(scope, env) };
}

/** Returns the exit code. */
export function tellState(terminal: Terminal, { json }: CommonFlags, state: ServiceState): number {
  const isActive = state.state === 'active';
  if (json) printJson(terminal, state);
  else {
    const { style } = terminal;
    const { unit, scope, home, enabled, pid, restarts, words } = state;
    const colour = isActive ? style.green : style.yellow;
    const since = pid === null ? '' : `, pid ${pid}`;
    const again = restarts === 0 ? '' : `, started anew ${restarts} times`;
    terminal.out(`${unit} ${colour(state.state)}${since}${again}${words === '' ? '' : `: ${words}`}\n`);
    terminal.out(`${style.dim('home    ')} ${home}\n`);
    terminal.out(
      `${style.dim('starts  ')} ${enabled ? `with ${scope === 'system' ? 'the machine' : 'your session'}` : 'not by itself'}\n`,
    );
    terminal.out(`${style.dim('log     ')} journalctl ${scope === 'user' ? '--user ' : ''}-u ${unit}\n`);
  }
  return isActive ? 0 : failedExit;
}
