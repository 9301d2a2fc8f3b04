/**
 * Tasks that are of use to nobody but who submitted them, as long as that one listens (E37): questions whose answers go to a
 * channel. None is durable, so nothing of this is journaled.
 */
import { type ClientId, isEphemeral, type SessionId, type TaskId } from '@gryphgen/protocol';
import type { BrokerState, Session, Task } from '../state.ts';

export class AttendedTasks {
  /** Live ones. */
  private readonly tasks = new Map<ClientId, Set<TaskId>>();
  /** Of those, clients without a session, since which watch time, longest first. */
  private readonly absent = new Map<ClientId, number>();
  /** Those that lost the link to their asker: the session it had, and how often that had been heard. */
  private readonly doubted = new Map<TaskId, { readonly session: SessionId; readonly heartbeats: number }>();

  begun(task: Task): void {
    if (!isAttended(task)) return;
    const tasks = this.tasks.get(task.client);
    if (tasks === undefined) this.tasks.set(task.client, new Set([task.id]));
    else tasks.add(task.id);
  }

  ended(task: Task): void {
    if (!isAttended(task)) return;
    this.doubted.delete(task.id);
    const tasks = this.tasks.get(task.client);
    tasks?.delete(task.id);
    if (tasks?.size !== 0) return;
    this.tasks.delete(task.client);
    this.absent.delete(task.client);
  }

  /** Whether its asker is there shows by what that says from now on. */
  doubt({ id }: Task, asker: Session | undefined): void {
    if (asker !== undefined) this.doubted.set(id, { session: asker.id, heartbeats: asker.heartbeatSeq });
  }

  /** Until its asker has said something. */
  isDoubted({ id }: Task, asker: Session): boolean {
    const then = this.doubted.get(id);
    return then?.session === asker.id && then.heartbeats === asker.heartbeatSeq;
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

/** The session of who submitted it, if it has one. */
export function askerOf({ clientSessions, sessions }: BrokerState, { client }: Task): Session | undefined {
  const session = clientSessions.get(client);
  return session === undefined ? undefined : sessions.get(session);
}

export function isAttended({ id, spec }: Task): boolean {
  return spec.envelope.attended === true && isEphemeral(id);
}
