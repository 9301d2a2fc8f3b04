/**
 * What a worker that starts finds of processes that an earlier life of it started: what a keeper holds goes on; of the
 * rest there is only the scratch folder, and a reason.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptNo, type Epoch, failure, type TaskId, type TaskKind } from '@gryphgen/protocol';
import { isOfThisBoot } from '@gryphgen/runtime';
import type { AdoptedAttempt } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import { bareFacts } from '../core/leases.ts';
import type { LeaseFacts } from '../core/state.ts';
import { noOutcome } from './executor.ts';
import { leaseFactsSchema } from './lease-facts.ts';
import { type KeeperPlace, notedKeeper } from './process-keeper-place.ts';
import type { HeldAttempt } from './process-messages.ts';

const keyPattern = /^([0-9]+)\.([0-9]+)\.([0-9]+)$/;

/** Undefined when it is no name of an attempt. */
function readKey(key: string): Fence | undefined {
  const [epoch, task, attempt] = (keyPattern.exec(key)?.slice(1) ?? []).map(Number);
  if (![epoch, task, attempt].every(Number.isSafeInteger)) return undefined;
  return { task: task as TaskId, attempt: attempt as AttemptNo, epoch: epoch as Epoch };
}

/** Those that have a scratch folder; whatever else lies there goes. */
export async function notedFences({ root }: KeeperPlace): Promise<readonly Fence[]> {
  const fences: Fence[] = [];
  for (const name of await readdir(root)) {
    const fence = readKey(name);
    if (fence === undefined) await rm(join(root, name), { recursive: true, force: true });
    else fences.push(fence);
  }
  return fences;
}

/** Why what a worker had begun is with no keeper, now that there is none. */
export function whyGone(place: KeeperPlace): string {
  const keeper = notedKeeper(place);
  // It ended as it should: asked to, or because it held nothing.
  if (keeper === null) return 'its process was no longer there when its worker started again';
  if (!isOfThisBoot(keeper)) return 'its machine was started anew while it ran';
  return 'the keeper that held its process was gone when its worker started again';
}

export function lostAttempt(fence: Fence, kind: TaskKind, why: string): AdoptedAttempt {
  const failed = failure('lost.worker', why);
  const exit = { exitCode: -1, failure: failed, outcome: noOutcome, stopped: false };
  const facts: LeaseFacts = { ...bareFacts, kind };
  return { fence, facts, stopping: null, found: { phase: 'ended', ranMs: 0, exit } };
}

/**
 * Undefined when the keeper says what it was never told. `leaves`: whether it leaves outputs; one that has ended well
 * runs, for others, until these are known.
 */
export function heldAttempt(
  held: HeldAttempt,
  leaves: (fence: Fence) => boolean,
): AdoptedAttempt | undefined {
  const fence = readKey(held.key);
  const facts = leaseFactsSchema.safeParse(JSON.parse(held.facts));
  if (fence === undefined || !facts.success) return undefined;
  const { ranMs, stopping, end } = held;
  const isWell = end?.exitCode === 0 && end.failure === null && !end.stopped;
  if (end === null || (isWell && leaves(fence)))
    return { fence, facts: facts.data, stopping, found: { phase: 'running', ranMs } };
  const exit = { ...end, outcome: noOutcome };
  // What had ended before the signal came ended by itself.
  const why = end.stopped ? stopping : null;
  return { fence, facts: facts.data, stopping: why, found: { phase: 'ended', ranMs, exit } };
}
