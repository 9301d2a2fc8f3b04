/**
 * `grid broker`, `grid worker`, `grid retrieval` and `grid gateway`: one daemon in the foreground, as a supervisor or systemd starts it. What daemons are
 * made of is imported when one runs: no other command should wait for it.
 */
import { createLog, makeRunFolder } from '@gryphgen/runtime';
import type { Command } from 'commander';
import { gridCommand, type Invocation, llamaServerFlag, policyFlag, runs } from '../command.ts';
import { live } from '../daemons/daemon-life.ts';
import { UsageError } from '../problem.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { type OfferFlags, withOfferFlags, withPlacedFlags } from '../systemd/worker-flags.ts';
import type { Terminal } from '../terminal.ts';
import { announceCommand, rotateKeyCommand } from './announcing.ts';

export function brokerCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'broker',
    'Run the broker in the foreground. It logs to stderr.',
    'broker --listen tcp://0.0.0.0:7600',
  )
    .option('--listen <endpoints>', 'where it listens, separated by commas (GRID_LISTEN)')
    .addCommand(rotateKeyCommand(invocation))
    .addCommand(announceCommand(invocation));
  return runs<CommonFlags & { listen?: string }>(command, invocation, async (flags) => {
    const { brokerDaemon } = await import('../daemons/broker-daemon.ts');
    const config = settingsOf(terminal, flags, { listen: flags.listen });
    const log = createLog({ daemon: 'broker', level: config.logLevel });
    return await live(() => brokerDaemon(config, log), log);
  });
}

interface WorkerFlags extends CommonFlags, OfferFlags {
  readonly name?: string;
  readonly noop?: true;
  readonly calibrate?: true;
  readonly policy?: string;
  readonly retrievalMemory?: string;
  readonly llamaServer?: string;
}

export function workerCommand(invocation: Invocation): Command {
  const command = withOfferFlags(
    named(
      'worker',
      'Run a worker in the foreground. It logs to stderr.',
      'worker --broker tcp://forge:7600 --label rack=a',
    ),
  )
    .addOption(policyFlag())
    .addOption(llamaServerFlag())
    .option('--noop', 'offer tasks that do nothing, for benchmarks')
    .option('--calibrate', 'measure this machine anew: CPU, memory, disk');
  return runs<WorkerFlags>(command, invocation, (flags) => runWorker(invocation.terminal, flags, true));
}

export function retrievalCommand(invocation: Invocation): Command {
  const command = withPlacedFlags(
    named(
      'retrieval',
      'Run a worker in the foreground that keeps collections of passages, and does nothing else. It logs to stderr.',
      'retrieval --broker tcp://forge:7600',
    ),
  );
  return runs<WorkerFlags>(command, invocation, (flags) =>
    runWorker(invocation.terminal, { ...flags, retrieval: true }, false),
  );
}

interface GatewayFlags extends CommonFlags {
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export function gatewayCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'gateway',
    'Run the gateway in the foreground: OpenAI’s HTTP API before the models of the grid. It logs to stderr.',
    'gateway --listen 127.0.0.1:7460',
    'gateway --listen 0.0.0.0:7460 --tls-cert grid.crt --tls-key grid.key',
  )
    .option('--listen <host:port>', 'where it listens (GRID_GATEWAY_LISTEN)')
    .option('--tls-cert <file>', 'its certificate and those that vouch for it, in PEM')
    .option('--tls-key <file>', 'the key of that, in PEM');
  return runs<GatewayFlags>(command, invocation, async (flags) => {
    const { gatewayDaemon } = await import('../daemons/gateway-daemon.ts');
    const config = settingsOf(terminal, flags, { gatewayListen: flags.listen });
    const log = createLog({ daemon: 'gateway', level: config.logLevel });
    const { tlsCert: cert, tlsKey: key } = flags;
    if ((cert === undefined) !== (key === undefined))
      throw new UsageError('--tls-cert and --tls-key go together');
    const tls = cert === undefined || key === undefined ? undefined : { cert, key };
    return await live(() => gatewayDaemon(config, tls, log), log);
  });
}

function named(...words: Parameters<typeof gridCommand>): Command {
  return gridCommand(...words)
    .option('--name <name>', 'what this machine is called (GRID_NAME)')
    .option('--retrieval-memory <size>', 'what collections here may hold in memory (GRID_RETRIEVAL_MEMORY)');
}

async function runWorker(terminal: Terminal, flags: WorkerFlags, allowContainers: boolean): Promise<number> {
  const { workerDaemon } = await import('../daemons/worker-daemon.ts');
  const { loadPolicy } = await import('../policy-file.ts');
  const { dataPlace } = await import('../daemons/data-place.ts');
  const config = settingsOf(terminal, flags, {
    ...{ name: flags.name, policy: flags.policy, llamaServer: flags.llamaServer },
    retrievalMemory: flags.retrievalMemory,
  });
  const policy = await loadPolicy(config);
  const log = createLog({ daemon: 'worker', level: config.logLevel });
  const {
    label: labels = {},
    allowProcess = false,
    retrieval = false,
    noop: allowNoop = false,
    calibrate = false,
    slots,
  } = flags;
  const places = flags.dataEndpoint ?? [await dataPlace(config)];
  if (flags.dataEndpoint === undefined) makeRunFolder(config.home);
  const allowed = { allowContainers, allowProcess, allowNoop, retrieval, calibrate };
  return await live(
    () => workerDaemon(config, { labels, slots, policy, dataEndpoints: places, ...allowed }, log),
    log,
  );
}
