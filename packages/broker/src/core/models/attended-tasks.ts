/**
 * Tasks that are of use to nobody but who submitted them, as long as that one listens (E37): questions whose answers go to a
 * channel. None is durable, so nothing of this is journaled.
 */
import { type ClientId, isEphemeral, type TaskId } from '@gryphgen/protocol';
import type { Task } from '../state.ts';

export class AttendedTasks {
  /** Live ones. */
  private readonly tasks = new Map<ClientId, Set<TaskId>>();
  /** Of those, clients without a session, since which watch time, longest first. */
  private readonly absent = new Map<ClientId, number>();

  begun(task: Task): void {
    if (!isAttended(task)) return;
    const tasks = this.tasks.get(task.client);
    if (tasks === undefined) this.tasks.set(task.client, new Set([task.id]));
    else tasks.add(task.id);
  }

  ended(task: Task): void {
    if (!isAttended(task)) return;
    const tasks = this.tasks.get(task.client);
    tasks?.delete(task.id);
    if (tasks?.size !== 0) return;
    this.tasks.delete(task.client);
    this.absent.delete(task.client);
  }

  left(client: ClientId, watch: number): void {
    if (this.tasks.has(client)) this.absent.set(client, watch);
  }

  returned(client: ClientId): void {
    this.absent.delete(client);
  }

  /** Of clients that left before `watch`, each told once. */
  takeLost(watch: number): readonly TaskId[] {
    const lost: TaskId[] = [];
    for (const [client, since] of this.absent) {
      if (since > watch) break;
      this.absent.delete(client);
      lost.push(...(this.tasks.get(client) ?? []));
    }
    return lost;
  }
}

export function isAttended({ id, spec }: Task): boolean {
  return spec.envelope.attended === true && isEphemeral(id);
}
