/** The flags that describe a task, and the task they describe. */
import type { TaskSpec } from '@gryphgen/client';
import {
  imagePattern,
  isEnvironmentName,
  isLabelName,
  limits,
  type OnLinkLost,
  parseBytes,
  parseComputeCapability,
  parseCpu,
  parseDuration,
} from '@gryphgen/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from './problem.ts';
import { type DraftGpu, specOf, type TaskDraft } from './task-file/task-draft.ts';

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

type Parse<T> = (text: string) => T | undefined;
type Pairs = Record<string, string>;

const integer =
  (min: number, max: number): Parse<number> =>
  (text) => {
    const value = /^-?[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };

/** In the order of --help. */
function taskOptions(): readonly Option[] {
  return [
    option(
      '--image <image>',
      'run in a container of this image',
      'an image name such as busybox:latest',
      (text) => (imagePattern.test(text) ? text : undefined),
    ),
    new Option('--name <name>', 'what to call it'),
    option('--cpu <count>', 'CPUs (default: 1)', 'a number of CPUs such as 2, 0.5 or 500m', parseCpu),
    option('--memory <size>', 'memory', 'a size such as 4GiB', parseBytes),
    option('--disk <size>', 'disk', 'a size such as 10GiB', parseBytes),
    option(
      '--gpu <count>',
      'whole GPUs',
      `a whole number from 1 to ${limits.devices}`,
      integer(1, limits.devices),
    ),
    option('--vram <size>', 'a part of one GPU', 'a size such as 5GiB', parseBytes),
    option(
      '--min-cc <version>',
      'least compute capability of its GPU',
      'such as 7.0',
      parseComputeCapability,
    ),
    new Option('--gpu-name <part>', 'part of the name of its GPU'),
    pairs('--env <NAME=VALUE>', 'set an environment variable (repeatable)', isEnvironmentName),
    new Option('--workdir <path>', 'working directory, absolute'),
    new Option('--user <uid[:gid]>', 'user in the container, in numbers'),
    new Option('--network <network>', 'network of the container').choices(['none']),
    option('--priority <number>', 'higher goes first', 'a whole number from -100 to 100', integer(-100, 100)),
    option('--timeout <time>', 'longest run of one try', 'a duration such as 10m', parseDuration),
    option('--queue-timeout <time>', 'longest wait for a place', 'a duration such as 1h', parseDuration),
    option(
      '--retries <count>',
      'tries after a failed one',
      `0 to ${limits.retries}`,
      integer(0, limits.retries),
    ),
    option(
      '--backoff <time>',
      'wait before the first retry; doubles',
      'a duration such as 5s',
      parseDuration,
    ),
    pairs('--label <NAME=VALUE>', 'label the task (repeatable)', isLabelName),
    new Option('--worker <id>', 'run it on this worker alone'),
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

function option<T>(flags: string, description: string, expected: string, parse: Parse<T>): Option {
  return new Option(flags, description).argParser((text) => {
    const value = parse(text);
    if (value === undefined)
      throw new InvalidArgumentError(`Found ${JSON.stringify(text)}, expected ${expected}.`);
    return value;
  });
}

function pairs(flags: string, description: string, accept: (name: string) => boolean): Option {
  return new Option(flags, description).argParser((text, before: Pairs | undefined) => {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at));
    if (at < 1 || !accept(name))
      throw new InvalidArgumentError(`Found ${JSON.stringify(text)}, expected NAME=VALUE.`);
    return { ...before, [name]: text.slice(at + 1) };
  });
}

/** Known by the contract, not by this version: said, not ignored. */
function later(flags: string): Option {
  return new Option(flags).hideHelp().argParser(() => {
    throw new InvalidArgumentError(
      'It is of a later version of grid: tasks have no files of their own for now.',
    );
  });
}
