/**
 * `grid broker` and `grid worker`: one daemon in the foreground, as a supervisor or systemd starts it. What daemons are
 * made of is imported when one runs: no other command should wait for it.
 */
import { createLog } from '@gryphgen/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { live } from '../daemons/daemon-life.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';

export function brokerCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'broker',
    'Run the broker in the foreground. It logs to stderr.',
    'broker --listen tcp://0.0.0.0:7600',
  ).option('--listen <endpoints>', 'where it listens, separated by commas (GRID_LISTEN)');
  return runs<CommonFlags & { listen?: string }>(command, invocation, async (flags) => {
    const { brokerDaemon } = await import('../daemons/broker-daemon.ts');
    const config = settingsOf(terminal, flags, { listen: flags.listen });
    const log = createLog({ daemon: 'broker', level: config.logLevel });
    return await live(() => brokerDaemon(config, log), log);
  });
}

interface WorkerFlags extends CommonFlags {
  readonly name?: string;
  readonly label?: Record<string, string>;
  readonly allowProcess?: true;
  readonly noop?: true;
  readonly slots?: number;
  readonly dataEndpoint?: string;
}

export function workerCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'worker',
    'Run a worker in the foreground. It logs to stderr.',
    'worker --broker tcp://forge:7600 --label rack=a',
  )
    .option('--name <name>', 'what this machine is called (GRID_NAME)')
    .option('--label <NAME=VALUE>', 'label this worker (repeatable)', addLabel)
    .option('--allow-process', 'run processes too, without a container: trust who submits')
    .option('--noop', 'offer tasks that do nothing, for benchmarks')
    .option('--slots <count>', 'tasks at once', parseSlots)
    .option('--data-endpoint <endpoints>', 'where its logs are read, such as tcp://10.0.0.7:7601');
  return runs<WorkerFlags>(command, invocation, async (flags) => {
    const { workerDaemon } = await import('../daemons/worker-daemon.ts');
    const config = settingsOf(terminal, flags, { name: flags.name });
    const log = createLog({ daemon: 'worker', level: config.logLevel });
    const { label: labels = {}, allowProcess = false, noop: allowNoop = false, slots, dataEndpoint } = flags;
    const dataEndpoints = dataEndpoint?.split(',');
    const choices = { labels, allowProcess, allowNoop, slots, dataEndpoints };
    return await live(() => workerDaemon(config, choices, log), log);
  });
}

function addLabel(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1 || at > 63)
    throw new InvalidArgumentError(`Found ${JSON.stringify(text)}, expected NAME=VALUE.`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function parseSlots(text: string): number {
  const slots = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (slots < 1 || slots > 4096)
    throw new InvalidArgumentError(`Found ${JSON.stringify(text)}, expected a whole number from 1 to 4096.`);
  return slots;
}
