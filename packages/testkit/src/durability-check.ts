/**
 * Invariants 1 and 3 where they are decided: what is on the disk when a message leaves that reveals it.
 *
 * 1. `accepted`, `lease`, `resultAck`, `finished` and the reply to a cancel leave only when the decision is in a group
 *    that the disk holds: not one crash later, now.
 * 2. One submission and, while it is kept, one key make one task; one task ends once.
 */
import type { Decision } from '@gryphgen/broker';
import { formatTaskId, isEphemeral, type Message, type TaskId } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

interface OnDisk {
  /** The latest attempt leased, and the latest that is over. */
  leased: number;
  over: number;
  ended: boolean;
  cancelled: boolean;
}

export class DurabilityCheck {
  private readonly tasks = new Map<TaskId, OnDisk>();
  private readonly submissions = new Map<string, TaskId>();
  private readonly keys = new Map<string, TaskId>();

  /** A group has become durable. */
  committed(decisions: readonly Decision[]): void {
    for (const decision of decisions) this.note(decision);
  }

  private note(decision: Decision): void {
    switch (decision[0]) {
      case 1: {
        const [, id, , , principal, client, seq, , key] = decision;
        this.tasks.set(id, { leased: 0, over: 0, ended: false, cancelled: false });
        // Without a client the broker has begun it by itself.
        if (client !== '') one(this.submissions, `submission ${client} ${seq}`, id);
        if (key !== '') one(this.keys, `key ${principal} ${key}`, id);
        return;
      }
      case 2:
        this.of(decision[1]).leased = decision[2];
        return;
      case 3: {
        const task = this.of(decision[1]);
        if (task.ended) throw new SimFailure('a task ends once', `${formatTaskId(decision[1])} ends again`);
        Object.assign(task, { over: decision[2], ended: true });
        return;
      }
      case 4:
        this.of(decision[1]).over = decision[2];
        return;
      case 5:
        this.of(decision[1]).cancelled = true;
        return;
      case 9:
        for (const name of decision[1]) this.keys.delete(`key ${name}`);
        return;
      case 10:
        for (const client of decision[1]) {
          for (const name of this.submissions.keys())
            if (name.startsWith(`submission ${client} `)) this.submissions.delete(name);
        }
        return;
      default:
    }
  }

  sent(message: Message): void {
    if (!('task' in message) || isEphemeral(message.task)) return;
    const known = this.tasks.get(message.task);
    const id = formatTaskId(message.task);
    switch (message.kind) {
      case 'accepted':
        if (known === undefined) early(`${id} is accepted`);
        return;
      case 'lease':
        if (known === undefined || known.leased < message.attempt || known.over >= message.attempt)
          early(`attempt ${message.attempt} of ${id} is leased`);
        return;
      case 'resultAck':
        if (known === undefined || known.over < message.attempt)
          early(`the result of attempt ${message.attempt} of ${id} is acknowledged`);
        return;
      case 'finished':
        if (known?.ended !== true && message.failure?.code !== 'rejected.not-found') early(`${id} has ended`);
        return;
      default:
    }
  }

  /** Somebody is told that the cancel is noted. */
  cancelTold(task: TaskId): void {
    if (isEphemeral(task)) return;
    const known = this.tasks.get(task);
    if (known !== undefined && !known.cancelled && !known.ended)
      early(`${formatTaskId(task)} is to be cancelled`);
  }

  private of(id: TaskId): OnDisk {
    const task = this.tasks.get(id);
    if (task === undefined)
      throw new SimFailure('decisions follow acceptance', `${formatTaskId(id)} is unknown`);
    return task;
  }
}

function one(tasks: Map<string, TaskId>, name: string, id: TaskId): void {
  const before = tasks.get(name);
  if (before !== undefined && before !== id) {
    throw new SimFailure(
      'one submission makes one task',
      `${name} made ${formatTaskId(before)} and ${formatTaskId(id)}`,
    );
  }
  tasks.set(name, id);
}

function early(what: string): never {
  throw new SimFailure('nothing is told before it is on disk', `it is told that ${what}`);
}
