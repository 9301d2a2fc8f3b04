/** The flags that describe a task, and the task they describe. */
import { basename, resolve } from 'node:path';
import type { TaskSpec } from '@gryphgen/client';
import type { Network, OnLinkLost, PullPolicy, StopSignal, Ulimit, UlimitName } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, listOf, pairsOf } from './command.ts';
import { readEnvFile } from './env-file.ts';
import { UsageError } from './problem.ts';
import { health, publish } from './service-flags.ts';
import { readFileStart } from './task-file/file-start.ts';
import { type DraftHealth, type DraftPort, type DraftRestart, restarts } from './task-file/service-draft.ts';
import {
  type DraftGpu,
  type DraftInput,
  type DraftMount,
  type DraftScratch,
  specOf,
  type TaskDraft,
} from './task-file/task-draft.ts';
import type { Value } from './task-file/values.ts';
import * as values from './task-file/values.ts';
import type { Terminal } from './terminal.ts';

export interface TaskFlags {
  readonly image?: string;
  readonly pull?: PullPolicy;
  readonly name?: string;
  readonly class?: string;
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
  readonly network?: Network;
  readonly mount?: readonly DraftMount[];
  readonly scratch?: DraftScratch;
  readonly writableRoot?: true;
  readonly ulimit?: Readonly<Partial<Record<UlimitName, Ulimit>>>;
  readonly pidsLimit?: number;
  readonly runtime?: string;
  readonly stopSignal?: StopSignal;
  readonly stopGrace?: number;
  readonly publish?: readonly DraftPort[];
  readonly health?: DraftHealth;
  readonly restart?: DraftRestart;
  readonly warm?: true;
  readonly in?: readonly DraftInput[];
  readonly out?: readonly string[];
  readonly envFile?: Record<string, string>;
  readonly priority?: number;
  readonly timeout?: number;
  readonly queueTimeout?: number;
  readonly retries?: number;
  readonly backoff?: number;
  readonly label?: Record<string, string>;
  readonly worker?: string;
  readonly preemptible?: 'yes' | 'no';
  readonly onLinkLost?: OnLinkLost;
  readonly ephemeral?: true;
}

/** `data:/data:rw`; a path has no colon: it would read as its end. */
const mount: Value<DraftMount> = {
  expected: 'NAME:PATH or NAME:PATH:rw, where PATH is absolute',
  parse: (written) => {
    const [name = '', to = '', mode = 'ro', ...more] = written.split(':');
    const isMount =
      values.mountName.parse(name) !== undefined && values.containerPath.parse(to) !== undefined;
    if (!isMount || (mode !== 'ro' && mode !== 'rw') || more.length > 0) return undefined;
    return { name, to, readOnly: mode === 'ro' };
  },
};

/** `data.csv`, `data.csv:/in/data.csv` */
const input: Value<DraftInput> = {
  expected: 'FILE or FILE:PATH, where PATH is absolute',
  parse: (written) => {
    const cut = written.lastIndexOf(':/');
    const from = cut === -1 ? written : written.slice(0, cut);
    const to = cut === -1 ? `/in/${basename(resolve(from))}` : written.slice(cut + 1);
    const isInput =
      values.localPath.parse(from) !== undefined && values.containerPath.parse(to) !== undefined;
    return isInput ? { from, to } : undefined;
  },
};

/** `2GiB`, `20GiB:disk`, `20GiB:disk:/work` */
const scratch: Value<DraftScratch> = {
  expected: 'a size, then :disk or :tmpfs, then :PATH, such as 20GiB:disk:/work',
  parse: (written) => {
    const [size, medium, to, ...more] = written.split(':');
    const read = {
      size: values.size.parse(size ?? ''),
      medium: values.medium.parse(medium ?? 'tmpfs'),
      to: values.containerPath.parse(to ?? '/tmp'),
    };
    const { size: bytes, medium: on, to: path } = read;
    if (bytes === undefined || on === undefined || path === undefined || more.length > 0) return undefined;
    return { size: bytes, medium: on, to: path };
  },
};

/** Files are read as they are named; a later one goes before an earlier, as docker has it. */
function envFileOption(env: Readonly<Record<string, string | undefined>>): Option {
  const option = new Option(
    '--env-file <file>',
    'environment variables from a file of NAME=VALUE (repeatable)',
  );
  return option.argParser((file, before: Record<string, string> | undefined) => {
    const read = readEnvFile(file, readFileStart(file, 'an environment file'), env);
    if (!read.ok) throw new UsageError(...read.problems);
    return { ...before, ...read.variables };
  });
}

/** In the order of --help. */
function taskOptions(terminal: Pick<Terminal, 'env'>): readonly Option[] {
  return [
    flagOf('--image <image>', 'run in a container of this image', values.image),
    flagOf('--pull <when>', 'pull it when it is missing (default), always or never', values.pull),
    flagOf('--name <name>', 'what to call it', values.name),
    flagOf('--class <name>', 'what it is expected to run like (default: its program)', values.taskClass),
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
    envFileOption(terminal.env),
    flagOf('--workdir <path>', 'working directory, absolute', values.workdir),
    flagOf('--user <uid[:gid]>', 'user in the container, in numbers', values.user),
    flagOf('--network <network>', 'none (default), bridge or host', values.network),
    listOf('--mount <NAME:PATH[:rw]>', "put a worker's mount there (repeatable)", mount),
    flagOf('--scratch <SIZE[:disk|tmpfs[:PATH]]>', 'scratch space, at /tmp if no path is said', scratch),
    new Option('--writable-root', 'let it write everywhere in its image'),
    pairsOf(
      '--ulimit <NAME=SOFT[:HARD]>',
      'limit of each process (repeatable)',
      values.ulimitName,
      values.ulimit,
    ),
    flagOf('--pids-limit <count>', 'processes at once (default: 512)', values.pids),
    flagOf('--runtime <name>', 'container runtime, such as runsc', values.runtime),
    flagOf('--stop-signal <signal>', 'how it is asked to end', values.stopSignal),
    flagOf('--stop-grace <time>', 'from that to the kill (default: 10s)', values.grace),
    listOf('--publish <[NAME=][HOSTPORT:]PORT[/udp]>', 'let others connect to a port (repeatable)', publish),
    flagOf('--health <http:PORT/PATH|tcp:PORT>', 'how it is known to be well', health),
    new Option('--restart <when>', 'begin it again without limit').choices(restarts),
    new Option('--warm', 'begin in a container that was started ahead, where there is one'),
    flagOf('--priority <number>', 'higher goes first', values.priority),
    flagOf('--timeout <time>', 'longest run of one try', values.duration),
    flagOf('--queue-timeout <time>', 'longest wait for a place', values.duration),
    flagOf('--retries <count>', 'tries after a failed one', values.retries),
    flagOf('--backoff <time>', 'wait before the first retry; doubles', values.backoff),
    pairsOf('--label <NAME=VALUE>', 'label the task (repeatable)', values.labelName, values.name),
    flagOf('--worker <id>', 'run it on this worker alone', values.worker),
    new Option('--preemptible <yes|no>', 'may be ended for a task of higher priority').choices(['yes', 'no']),
    new Option('--on-link-lost <rule>', 'when its worker is cut off').choices(['move', 'wait']),
    new Option('--ephemeral', 'not kept over a restart of the broker'),
    listOf(
      '--in <FILE[:PATH]>',
      'give it a file or folder, at /in/NAME if no path is said (repeatable)',
      input,
    ),
    listOf('--out <PATH>', 'keep this file or folder when it has succeeded (repeatable)', values.outputPath),
  ];
}

export function addTaskOptions(command: Command, terminal: Pick<Terminal, 'env'>): Command {
  for (const option of taskOptions(terminal)) command.addOption(option);
  return command;
}

/** The flags given that describe a task: with a file there must be none. */
export function givenTaskFlags(command: Command): readonly string[] {
  const own = new Set(taskOptions({ env: {} }).map((option) => option.attributeName()));
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
  const { image, pull, name, cpu, memory, disk, env, workdir, user, priority, timeout, queueTimeout } = flags;
  const { network, mount: mounts, scratch, writableRoot, ulimit: ulimits, pidsLimit: pids } = flags;
  const { runtime, stopSignal, stopGrace, publish: ports, health: check, restart, warm, envFile } = flags;
  const { in: inputs, out: outputs, class: taskClass } = flags;
  const { retries: limit, backoff, label: labels, worker, onLinkLost, ephemeral, preemptible } = flags;
  const gpu = given<DraftGpu>({
    count: flags.gpu,
    vram: flags.vram,
    minComputeCapability: flags.minCc,
    name: flags.gpuName,
    uuid: flags.gpuUuid,
  });
  return given<TaskDraft>({
    image,
    pull,
    name,
    class: taskClass,
    // A container may run what its image says.
    command: command.length === 0 ? undefined : command,
    env: envFile === undefined ? env : { ...envFile, ...env },
    workdir,
    user,
    network,
    mounts,
    scratch,
    readOnlyRoot: writableRoot === true ? false : undefined,
    ulimits,
    pids,
    runtime,
    stopSignal,
    stopGrace,
    ports,
    health: check,
    restart,
    warm,
    inputs,
    outputs,
    resources: given({ cpu, memory, disk, gpu: Object.keys(gpu).length === 0 ? undefined : gpu }),
    priority,
    timeout,
    queueTimeout,
    retries: given({ limit, backoff }),
    labels,
    constraints: given({ worker }),
    preemptible: preemptible && preemptible === 'yes',
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
  return `${flagNames[path.replace(/[[.].*/, '')] ?? path}: ${words}`;
}

/** Where a flag is not called as the key of a file. */
const flagNames: Readonly<Record<string, string>> = {
  pull: '--pull',
  mounts: '--mount',
  scratch: '--scratch',
  ulimits: '--ulimit',
  readOnlyRoot: '--writable-root',
  stopSignal: '--stop-signal',
  pids: '--pids-limit',
  ports: '--publish',
  health: '--health',
  retries: '--retries',
};
