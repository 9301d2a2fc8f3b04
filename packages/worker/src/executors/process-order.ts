/** What a lease of a process comes to: a command, its environment, its folder. */
import { type ProcessBody, processBodySchema, type Read, readBody, type TaskKind } from '@gryphgen/protocol';
import type { Files, GiveOptions } from '../artifacts/attempt-files.ts';
import type { StartOrder } from '../core/effects.ts';
import { keyOf } from '../core/fence.ts';
import { fillScratch } from './process-files.ts';
import type { StartMessage } from './process-group.ts';
import { type KeeperPlace, keeperPlace } from './process-keeper-place.ts';
import { scratchVariable } from './stray-processes.ts';

/** Puts in place what the process is given, and says how it is started. Rejects with what the file system says. */
export type Prepare = (options: GiveOptions) => Promise<Read<StartMessage>>;

/** What a lease comes to; `scratch` is made before it is prepared. */
export type PlanProcess = (order: StartOrder, scratch: string) => Read<Prepare>;

/** What the processes of an executor are. */
export interface ProcessRuns {
  readonly kind: TaskKind;
  /** Its alone. */
  readonly place: KeeperPlace;
  readonly plan: PlanProcess;
  /** Whether the keeper is forked with the worker's start, while that is small, or with the first that needs it. */
  readonly isKeeperEarly: boolean;
}

/** `path`: looked through for programs, and given to the process. */
export function tasksAsProcesses(home: string, files: Files, path: string): ProcessRuns {
  return {
    kind: 'process',
    place: keeperPlace(home),
    plan: planProcess(files, path),
    isKeeperEarly: true,
  };
}

/** As its body says. */
function planProcess(files: Files, path: string): PlanProcess {
  return (order, scratch) => {
    const body = readBody(processBodySchema, order.body);
    if (!body.ok) return body;
    const { command, workdir, inputs, outputs } = body.value;
    const start: StartMessage = {
      kind: 'start',
      key: keyOf(order.fence),
      facts: JSON.stringify(order.facts),
      command,
      env: environmentOf(order, body.value, scratch, path),
      cwd: workdir ?? scratch,
      memoryBytes: order.envelope.resources.memoryBytes,
    };
    const prepare: Prepare = async (options) => {
      const why = await fillScratch(order.fence, scratch, { inputs, outputs }, files, options);
      return why === null ? { ok: true, value: start } : { ok: false, failure: why };
    };
    return { ok: true, value: prepare };
  };
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
