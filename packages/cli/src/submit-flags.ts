/** The flags that describe a task, and the task they describe. */
import type { TaskSpec } from '@gryphgen/client';
import type { OnLinkLost } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, pairsOf } from './command.ts';
import { UsageError } from './problem.ts';
import { type DraftGpu, specOf, type TaskDraft } from './task-file/task-draft.ts';
import * as values from './task-file/values.ts';

export interface TaskFlags {
  readonly image?: string;
  readonly name?: string;
  readonly cpu?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly gpu?: number;
  readonly vram?: number;
  readonly minCc?: number;
  readonly gpuName?: string;
  readonly gpuUuid?: string;
  readonly env?: Record<string, string>;
  readonly workdir?: string;
  readonly user?: string;
  readonly network?: 'none';
  readonly priority?: number;
  readonly timeout?: number;
  readonly queueTimeout?: number;
  readonly retries?: number;
  readonly backoff?: number;
  readonly label?: Record<string, string>;
  readonly worker?: string;
  readonly onLinkLost?: OnLinkLost;
  readonly ephemeral?: true;
}

/** In the order of --help. */
function taskOptions(): readonly Option[] {
  return [
    flagOf('--image <image>', 'run in a container of this image', values.image),
    flagOf('--name <name>', 'what to call it', values.name),
    flagOf('--cpu <count>', 'CPUs (default: 1)', values.cpu),
    flagOf('--memory <size>', 'memory', values.size),
    flagOf('--disk <size>', 'disk', values.size),
    flagOf('--gpu <count>', 'whole GPUs', values.gpuCount),
    flagOf('--vram <size>', 'a part of one GPU', values.size),
    flagOf('--min-cc <version>', 'least compute capability of its GPU', values.computeCapability),
    flagOf('--gpu-name <part>', 'part of the name of its GPU', values.gpuName),
    flagOf('--gpu-uuid <uuid>', 'this GPU and no other', values.gpuUuid),
    pairsOf(
      '--env <NAME=VALUE>',
      'set an environment variable (repeatable)',
      values.variableName,
      values.argument,
    ),
    flagOf('--workdir <path>', 'working directory, absolute', values.workdir),
    flagOf('--user <uid[:gid]>', 'user in the container, in numbers', values.user),
    new Option('--network <network>', 'network of the container').choices(['none']),
    flagOf('--priority <number>', 'higher goes first', values.priority),
    flagOf('--timeout <time>', 'longest run of one try', values.duration),
    flagOf('--queue-timeout <time>', 'longest wait for a place', values.duration),
    flagOf('--retries <count>', 'tries after a failed one', values.retries),
    flagOf('--backoff <time>', 'wait before the first retry; doubles', values.backoff),
    pairsOf('--label <NAME=VALUE>', 'label the task (repeatable)', values.labelName, values.name),
    flagOf('--worker <id>', 'run it on this worker alone', values.worker),
    new Option('--on-link-lost <rule>', 'when its worker is cut off').choices(['move', 'wait']),
    new Option('--ephemeral', 'not kept over a restart of the broker'),
    later('--mount <mount>'),
    later('--in <file>'),
    later('--out <path>'),
  ];
}

export function addTaskOptions(command: Command): Command {
  for (const option of taskOptions()) command.addOption(option);
  return command;
}

/** The flags given that describe a task: with a file there must be none. */
export function givenTaskFlags(command: Command): readonly string[] {
  const own = new Set(taskOptions().map((option) => option.attributeName()));
  return command.options
    .filter(
      (option) =>
        own.has(option.attributeName()) && command.getOptionValue(option.attributeName()) !== undefined,
    )
    .map(({ long }) => long ?? '');
}

/** Throws UsageError. */
export function specOfFlags(flags: TaskFlags, command: readonly string[]): TaskSpec {
  const problems: string[] = [];
  const spec = specOf(draftOf(flags, command), (path, words) => problems.push(flagWords(path, words)));
  if (spec === undefined) throw new UsageError(...problems);
  return spec;
}

function draftOf(flags: TaskFlags, command: readonly string[]): TaskDraft {
  const { image, name, cpu, memory, disk, env, workdir, user, priority, timeout, queueTimeout } = flags;
  const { retries: limit, backoff, label: labels, worker, onLinkLost, ephemeral } = flags;
  const gpu = given<DraftGpu>({
    count: flags.gpu,
    vram: flags.vram,
    minComputeCapability: flags.minCc,
    name: flags.gpuName,
    uuid: flags.gpuUuid,
  });
  return given<TaskDraft>({
    image,
    name,
    // A container may run what its image says.
    command: command.length === 0 ? undefined : command,
    env,
    workdir,
    user,
    resources: given({ cpu, memory, disk, gpu: Object.keys(gpu).length === 0 ? undefined : gpu }),
    priority,
    timeout,
    queueTimeout,
    retries: given({ limit, backoff }),
    labels,
    constraints: given({ worker }),
    onLinkLost,
    durable: ephemeral === true ? false : undefined,
  });
}

/** Without what was not given. */
function given<T extends object>(values: { readonly [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

function flagWords(path: string, words: string): string {
  if (path === 'resources.gpu')
    return '--gpu asks for whole devices, --vram for a part of one: give only one of them';
  if (path === '') return 'there is nothing to run: give a command after "--", --image IMAGE, or a FILE.yaml';
  return `${path}: ${words}`;
}

/** Known by the contract, not by this version: said, not ignored. */
function later(flags: string): Option {
  const option = new Option(flags).hideHelp();
  return option.argParser(() => {
    throw new UsageError(
      `${option.long} is of a later version of grid: tasks have no files of their own for now`,
    );
  });
}
