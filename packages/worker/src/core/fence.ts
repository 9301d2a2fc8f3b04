/** The name of an attempt. */
import type { AttemptNo, Epoch, TaskId } from '@gryphgen/protocol';

/** What names an attempt, and what its result is judged by (E8). */
export interface Fence {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly epoch: Epoch;
}

export function keyOf(fence: Fence): string {
  return `${fence.epoch}.${fence.task}.${fence.attempt}`;
}

/** `t42.1 of epoch 3` */
export function nameOf(fence: Fence): string {
  return `t${fence.task}.${fence.attempt} of epoch ${fence.epoch}`;
}
