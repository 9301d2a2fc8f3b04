/** What a lease of a process comes to: a command, its environment, its folder. */
import { type ProcessBody, processBodySchema, type Read, readBody, type TaskFiles } from '@gryphgen/protocol';
import type { StartOrder } from '../core/effects.ts';
import { keyOf } from '../core/fence.ts';
import type { StartMessage } from './process-group.ts';
import { scratchVariable } from './stray-processes.ts';

export interface ProcessOrder {
  readonly start: StartMessage;
  readonly files: TaskFiles;
}

/** `path`: looked through for programs, and given to the process. */
export function processOrder(order: StartOrder, scratch: string, path: string): Read<ProcessOrder> {
  const body = readBody(processBodySchema, order.body);
  if (!body.ok) return body;
  const { command, workdir, inputs, outputs } = body.value;
  return {
    ok: true,
    value: {
      start: {
        kind: 'start',
        key: keyOf(order.fence),
        facts: JSON.stringify(order.facts),
        command,
        env: environmentOf(order, body.value, scratch, path),
        cwd: workdir ?? scratch,
        memoryBytes: order.envelope.resources.memoryBytes,
      },
      files: { inputs, outputs },
    },
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
