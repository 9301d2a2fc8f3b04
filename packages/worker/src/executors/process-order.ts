/** What a lease of a process comes to: a command, its environment, its folder. */
import { join } from 'node:path';
import { type ProcessBody, processBodySchema, type Read, readBody, type TaskKind } from '@gryphgen/protocol';
import type { Files, GiveOptions } from '../artifacts/attempt-files.ts';
import type { StartOrder } from '../core/effects.ts';
import { keyOf } from '../core/fence.ts';
import type { ControlGroups } from './control-groups.ts';
import type { GroupOrder } from './process-control-group.ts';
import { fillScratch } from './process-files.ts';
import type { StartMessage } from './process-group.ts';
import { type KeeperPlace, keeperPlace } from './process-keeper-place.ts';
import { scratchVariable } from './stray-processes.ts';

/** Puts in place what the process is given, and says how it is started. Rejects with what the file system says. */
export type Prepare = (options: GiveOptions) => Promise<Read<StartMessage>>;

/** What a lease comes to; `scratch` is made before it is prepared. */
export type PlanProcess = (order: StartOrder, scratch: string, groups: ControlGroups | null) => Read<Prepare>;

/** What the processes of an executor are. */
export interface ProcessRuns {
  readonly kind: TaskKind;
  /** Its alone. */
  readonly place: KeeperPlace;
  readonly plan: PlanProcess;
  /** Whether the keeper is forked with the worker's start, while that is small, or with the first that needs it. */
  readonly isKeeperEarly: boolean;
  /** Whether each is held in a control group, where there are any. */
  readonly inGroups: boolean;
}

/** Threads included: what forks without end does not take the machine with it. */
const mostProcesses = 4096;
/** Of a second: in each it may run for as much of it as it asked for of a CPU; no less than the kernel takes. */
const cpuPeriodMicros = 100_000;
const leastCpuMicros = 1000;

/** `path`: looked through for programs, and given to the process. */
export function tasksAsProcesses(home: string, files: Files, path: string): ProcessRuns {
  return {
    kind: 'process',
    place: keeperPlace(home),
    plan: planProcess(files, path),
    isKeeperEarly: true,
    inGroups: true,
  };
}

/** As its body says. */
function planProcess(files: Files, path: string): PlanProcess {
  return (order, scratch, groups) => {
    const body = readBody(processBodySchema, order.body);
    if (!body.ok) return body;
    const { command, workdir, inputs, outputs } = body.value;
    const group = groupOf(order, groups);
    const start: StartMessage = {
      kind: 'start',
      key: keyOf(order.fence),
      facts: JSON.stringify(order.facts),
      command,
      env: environmentOf(order, body.value, scratch, path),
      cwd: workdir ?? scratch,
      memoryBytes: order.envelope.resources.memoryBytes,
      ...(group !== null && { group }),
    };
    const prepare: Prepare = async (options) => {
      const why = await fillScratch(order.fence, scratch, { inputs, outputs }, files, options);
      return why === null ? { ok: true, value: start } : { ok: false, failure: why };
    };
    return { ok: true, value: prepare };
  };
}

function groupOf({ fence, envelope }: StartOrder, groups: ControlGroups | null): GroupOrder | null {
  if (!groups || groups.folder === null) return null;
  const { memoryBytes, cpuMilli } = envelope.resources;
  const cpuMicros = Math.max(leastCpuMicros, Math.round((cpuMilli / 1000) * cpuPeriodMicros));
  const memory = [
    ['memory.max', String(memoryBytes)],
    ['memory.swap.max', '0'],
    // What has lost one of its processes to the kernel is not to go on without it.
    ['memory.oom.group', '1'],
  ] as const;
  const { folder, controllers } = groups;
  const settings = [
    ...(controllers.includes('memory') && memoryBytes > 0 ? memory : []),
    ...(controllers.includes('cpu') && cpuMilli > 0
      ? ([['cpu.max', `${cpuMicros} ${cpuPeriodMicros}`]] as const)
      : []),
    ...(controllers.includes('pids') ? ([['pids.max', String(mostProcesses)]] as const) : []),
  ];
  return { folder: join(folder, keyOf(fence)), settings };
}

/** The least that programs expect, and what the attempt is; never the worker's own environment. */
function environmentOf(
  { fence, devices }: StartOrder,
  { env }: ProcessBody,
  scratch: string,
  path: string,
): Record<string, string> {
  return {
    PATH: path,
    HOME: scratch,
    ...env,
    [scratchVariable]: scratch,
    GRID_TASK: `t${fence.task}`,
    GRID_ATTEMPT: String(fence.attempt),
    CUDA_VISIBLE_DEVICES: devices.map(({ uuid }) => uuid as string).join(','),
  };
}
