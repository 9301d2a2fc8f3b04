/** One question to the owner of one shard, as a task, and its answer. */
import {
  failure,
  formatTaskId,
  GridError,
  type RetrieveBody,
  readOutcome,
  type ShardName,
} from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import type { z } from 'zod';
import type { SubmitOptions } from '../calls.ts';
import type { Outcome } from '../pending.ts';
import { type EncodedTask, type PreparedTask, prepareTask, type TaskSpec } from '../prepare.ts';
import type { CollectionsAsker } from './collection-shards.ts';

/** Of a question, in a place and out of it. */
export const patienceMs = 60_000;

/** It waits for nobody's containers, nor for an idle model to be unloaded. */
export const nothingReserved = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 } as const;

/** What one wants of a retrieval service; `submit` of a `Client`. */
export interface RetrievalAsker extends CollectionsAsker {
  submit(task: EncodedTask, options?: SubmitOptions): { readonly finished: Promise<Outcome> };
}

export function questionTask(
  body: RetrieveBody,
  place: Pick<TaskSpec, 'constraints' | 'shard'>,
): PreparedTask {
  return prepareTask({
    ...{ kind: 'retrieve', body, durable: false, resources: nothingReserved },
    ...{ timeoutMs: patienceMs, queueTimeoutMs: patienceMs },
    ...place,
  });
}

/** Throws GridError: the failure of the task, which `task` names. */
export async function askShard<T>(
  asker: RetrievalAsker,
  shard: ShardName,
  body: RetrieveBody,
  schema: z.ZodType<T>,
  signal?: AbortSignal,
): Promise<{ readonly result: T; readonly task: string }> {
  const outcome = await asker.submit(questionTask(body, { shard }), signal && { signal }).finished;
  return { result: retrieved(outcome, schema), task: formatTaskId(outcome.task) };
}

export function retrieved<T>(outcome: Outcome, schema: z.ZodType<T>): T {
  if (outcome.failure !== null) throw new GridError(outcome.failure);
  const { result } = readOutcome(outcome.result) ?? {};
  const parsed = schema.safeParse(
    result === undefined ? undefined : parseJson(new TextDecoder().decode(result)),
  );
  if (parsed.success) return parsed.data;
  throw new GridError(
    failure('internal.bug', `the worker's answer is none: ${parsed.error.issues[0]?.message}`),
  );
}
