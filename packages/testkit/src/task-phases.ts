/** A task's phase as the coverage names it: backoff is told from waiting. */
import type { Task, TaskPhase } from '@gryphgen/broker';

export type ShownPhase = TaskPhase | 'backoff';

export function phaseOf(task: Task): ShownPhase {
  return task.phase === 'waiting' && task.notBefore > 0 ? 'backoff' : task.phase;
}
