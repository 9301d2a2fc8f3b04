/**
 * What the broker shows of a service is what its machine told of that very attempt, and never older than what it showed
 * before (E23).
 */
import type { Task } from '@gryphgen/broker';
import { formatTaskId, type TaskId } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';
import { portOf } from './task-script.ts';

const order = ['starting', 'healthy', 'unhealthy'];
/** It is told again every ten heartbeats of 2 s. */
export const knownWithinMs = 30_000;

export class ServedCheck {
  /** By task: the attempt last seen served, and how far it was. */
  private shown = new Map<TaskId, { readonly attempt: number; readonly rank: number }>();

  stepped(task: Task): void {
    const { id, attempt, lease, spec } = task;
    if (lease?.served == null) return;
    const { ports, health } = lease.served;
    const told = ports[0]?.hostPort;
    const own = spec.envelope.kind === 'instance' ? undefined : portOf({ task: id, attempt }).hostPort;
    if (told !== own) throw wrong(task, `port ${told} is shown, its machine has ${own}`);
    const rank = order.indexOf(health?.state ?? '');
    const before = this.shown.get(id);
    if (before?.attempt === attempt && rank < before.rank)
      throw wrong(task, `it is ${health?.state} again after it was ${order[before.rank]}`);
    this.shown.set(id, { attempt, rank });
  }

  /** A new epoch knows nothing, and may hear what was told before last. */
  recovered(): void {
    this.shown = new Map();
  }

  /** When nothing has gone wrong for `knownWithinMs`, and it is a service; `watch`: the broker's. */
  checkKnown(task: Task, watch: number): void {
    const { lease } = task;
    if (lease?.served != null || lease?.runsSince == null) return;
    if (watch - lease.runsSince > knownWithinMs) throw wrong(task, 'nothing is shown of it');
  }
}

function wrong({ id, attempt }: Task, words: string): SimFailure {
  return new SimFailure('services are as their machines say', `${formatTaskId(id)}.${attempt}: ${words}`);
}
