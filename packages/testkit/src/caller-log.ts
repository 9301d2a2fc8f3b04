/**
 * The people behind the clients: begins the workload's operations and keeps what each was answered.
 *
 * 1. Whatever was asked in a client's life that lasted to the end is answered exactly once.
 * 2. A submission that was refused for good made no task.
 */
import type { ClientEffect } from '@gryphgen/client';
import { encodeEnvelope, type Failure, type Finished, formatTaskId, type TaskId } from '@gryphgen/protocol';
import { principalIdOf } from '@gryphgen/runtime';
import type { Observer } from './observer.ts';
import type { Operation } from './operation.ts';
import { argsOf } from './policy-check.ts';
import type { ClientWitness, SimClient } from './sim-client.ts';
import { SimFailure } from './sim-failure.ts';
import { simIdentity } from './sim-identity.ts';
import { bodyOf } from './task-script.ts';
import type { World } from './world.ts';

interface Asked {
  readonly client: string;
  readonly operation: Operation;
  task: TaskId | null;
  refused: Failure | null;
  finished: Finished | null;
  answered: boolean;
}

export class CallerLog implements ClientWitness {
  private readonly world: World;
  private readonly observer: Observer;
  private readonly asked = new Map<number, Asked>();
  private readonly submissions = new Map<number, Asked[]>();
  private nextRef = 1;

  constructor(world: World, observer: Observer) {
    this.world = world;
    this.observer = observer;
  }

  /** Cancels a task that no operation named. */
  cancel(client: SimClient, task: TaskId): void {
    const ref = this.note(client, { at: this.world.now, kind: 'cancel', client: client.name, no: -1 });
    client.wish({ kind: 'request', ref, op: 'cancel', args: { task } });
  }

  removeModel(client: SimClient, name: string): void {
    this.begin(client, {
      at: this.world.now,
      kind: 'model',
      client: client.name,
      op: 'removeModel',
      args: { name },
    });
  }

  resume(client: SimClient, worker: string): void {
    const operation: Operation = {
      at: this.world.now,
      kind: 'drain',
      client: client.name,
      worker,
      draining: false,
    };
    const ref = this.note(client, operation);
    client.wish({ kind: 'request', ref, op: 'drain', args: { node: worker, draining: false } });
  }

  private note(client: SimClient, operation: Operation): number {
    const ref = this.nextRef;
    this.nextRef += 1;
    const asked = {
      client: client.name,
      operation,
      task: null,
      refused: null,
      finished: null,
      answered: false,
    };
    this.asked.set(ref, asked);
    if (operation.kind === 'submit') {
      this.submissions.set(operation.no, [...(this.submissions.get(operation.no) ?? []), asked]);
    }
    return ref;
  }

  begin(client: SimClient, operation: Exclude<Operation, { kind: 'change' }>): void {
    if (!client.up) return;
    const noted = (): number => this.note(client, operation);
    switch (operation.kind) {
      case 'submit': {
        const { key, script } = operation;
        const ref = noted();
        client.wish({
          kind: 'submit',
          ref,
          key,
          envelope: encodeEnvelope(script.envelope),
          body: bodyOf(script),
          progress: false,
        });
        return;
      }
      case 'watch': {
        const task = this.taskOf(operation.no);
        if (task === undefined) return;
        client.wish({ kind: 'watch', ref: noted(), task, progress: operation.progress });
        return;
      }
      case 'cancel':
      case 'ask': {
        const task = this.taskOf(operation.no);
        if (task === undefined) return;
        const op = operation.kind === 'cancel' ? 'cancel' : operation.op;
        client.wish({ kind: 'request', ref: noted(), op, args: { task } });
        return;
      }
      case 'survey':
        client.wish({ kind: 'request', ref: noted(), op: operation.op, args: {} });
        return;
      case 'drain':
        client.wish({
          kind: 'request',
          ref: noted(),
          op: 'drain',
          args: {
            node: operation.worker,
            draining: operation.draining,
            deadlineMs: operation.deadlineMs,
          },
        });
        return;
      case 'plan': {
        const { worker: node, window, inMs, forMs, deadlineMs } = operation;
        const args = { node, window, inMs, forMs, deadlineMs };
        client.wish({ kind: 'request', ref: noted(), op: 'planDrain', args });
        return;
      }
      case 'policy':
        client.wish({ kind: 'request', ref: noted(), op: operation.op, args: argsOf(operation) });
        return;
      case 'model':
        client.wish({ kind: 'request', ref: noted(), op: operation.op, args: operation.args });
        return;
      case 'revoke': {
        const args = { principal: principalIdOf(simIdentity(operation.identity).key) };
        client.wish({ kind: 'request', ref: noted(), op: 'revokePrincipal', args });
        return;
      }
      case 'remove':
        client.wish({ kind: 'request', ref: noted(), op: 'removeNode', args: { node: operation.worker } });
        return;
      default:
        operation satisfies never;
    }
  }

  answered(client: SimClient, answer: Exclude<ClientEffect, { kind: 'send' }>): void {
    if (answer.kind === 'room' || answer.kind === 'changed') return;
    this.world.trace.note(client.name, `TOLD ${answer.kind} of wish ${answer.ref}`);
    const asked = this.asked.get(answer.ref);
    if (asked === undefined || asked.answered) {
      throw new SimFailure(
        'a wish is answered once',
        `${client.name} is told ${answer.kind} of wish ${answer.ref}`,
      );
    }
    this.world.coverage.reached(`answer to ${asked.operation.kind}: ${answer.kind}`);
    switch (answer.kind) {
      case 'accepted':
        if (asked.task !== null)
          throw new SimFailure('a wish is answered once', `wish ${answer.ref} is accepted twice`);
        asked.task = answer.task;
        this.checkMade(answer.ref, asked);
        return;
      case 'failed':
        asked.refused = answer.failure;
        checkRefusal(answer.ref, asked);
        break;
      case 'finished':
        asked.finished = answer.message;
        this.observer.told(answer.message);
        break;
      case 'replied':
      case 'full':
        break;
      default:
        answer satisfies never;
    }
    asked.answered = true;
  }

  private checkMade(ref: number, { operation, task }: Asked): void {
    const made = task === null ? undefined : this.observer.scriptOfTask(task);
    if (operation.kind !== 'submit' || made === undefined || made.no === operation.script.no) return;
    throw new SimFailure(
      'a task is what was submitted',
      `wish ${ref} was accepted as task of script ${made.no}`,
    );
  }

  crashed(name: string): void {
    for (const asked of this.asked.values()) if (asked.client === name) asked.answered = true;
  }

  unanswered(): string[] {
    return [...this.asked]
      .filter(([, { answered }]) => !answered)
      .map(([ref, { client, operation, task }]) => {
        const as = task === null ? '' : ` (${formatTaskId(task)})`;
        return `${client} waits for ${operation.kind}, wish ${ref}${as}`;
      });
  }

  checkEnd(): void {
    for (const { operation, refused, task } of this.asked.values()) {
      if (operation.kind !== 'submit' || refused === null || task !== null) continue;
      this.world.coverage.reached(`submission refused: ${refused.code}`);
    }
  }

  private taskOf(no: number): TaskId | undefined {
    for (const { task } of this.submissions.get(no) ?? []) if (task !== null) return task;
    return undefined;
  }
}

/** Why a submission of this workload may be refused: what it asks, whose it is, or the disk; never its number. */
const justRefusals = [
  'rejected.forbidden',
  'rejected.impossible',
  'rejected.key-conflict',
  'rejected.limit',
  'unplaceable.journal',
];

function checkRefusal(ref: number, { client, operation, refused }: Asked): void {
  if (operation.kind !== 'submit' || refused === null || justRefusals.includes(refused.code)) return;
  // Of a model that was not added yet, or is removed.
  if (operation.script.envelope.model !== undefined && refused.code === 'rejected.not-found') return;
  throw new SimFailure('nothing is refused without cause', `${client}, wish ${ref}: ${refused.message}`);
}
