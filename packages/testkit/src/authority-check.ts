/**
 * Invariant 8 from outside, after each step: who really sent it, and may that person do this?
 *
 * 1. A session is its peer's: of that key's principal, in a role that the key was authorised for; no word of another
 *    connection is stepped in its name.
 * 2. What a role may not ask changes nothing: no task, no cancel, no drain, no worker.
 * 3. Whose key is revoked opens no session, and nothing that it has said is taken up, across restarts.
 * 4. A submitter is told of no task of another principal: not by an answer, not by a list, not by a watch.
 */
import type { BrokerEvent, BrokerState, Task } from '@gryphgen/broker';
import type { Message, PrincipalId, Role, SessionId, TaskId } from '@gryphgen/protocol';
import { formatTaskId, isEphemeral, parseTaskId } from '@gryphgen/protocol';
import { principalIdOf } from '@gryphgen/runtime';
import { SimFailure } from './sim-failure.ts';
import { simIdentity } from './sim-identity.ts';

/** Whose packet is being taken up. */
export interface Sender {
  readonly peer: string;
  readonly identity: string;
  readonly role: Role;
}

interface Holder extends Sender {
  readonly principal: PrincipalId;
}

export class AuthorityCheck {
  private readonly holders = new Map<SessionId, Holder>();
  private readonly owners = new Map<TaskId, PrincipalId>();
  private readonly out = new Set<PrincipalId>();
  private before = '';

  /** A task has come to be; its number may have been another's that a crash has undone. */
  made({ id, principal }: Task): void {
    this.owners.set(id, principal);
  }

  revoked(principal: PrincipalId): void {
    this.out.add(principal);
  }

  sent(message: Message, session: string): void {
    const told = idsIn(message).find((id) => this.hides(session, id));
    if (told === undefined) return;
    const words = `${this.holders.get(session as SessionId)?.peer} is told of ${formatTaskId(told)} by ${message.kind}`;
    throw new SimFailure('nobody hears of another’s work', words);
  }

  /** Whether the task is another's, and the session's holder sees none but its own. */
  hides(session: string, id: TaskId): boolean {
    const holder = this.holders.get(session as SessionId);
    const owner = this.owners.get(id);
    return holder?.role === 'submitter' && owner !== undefined && owner !== holder.principal;
  }

  /** `sender`: undefined when no packet has caused the step; null when it is nobody's of this grid. */
  stepped(state: BrokerState, event: BrokerEvent, sender: Sender | null | undefined): void {
    const decided = fingerprint(state);
    if (event.kind === 'sessionOpened') this.opened(event, sender);
    else if (event.kind === 'message' || event.kind === 'submit') {
      const holder = this.holders.get(event.session);
      if (holder === undefined || holder.peer !== sender?.peer) {
        const words = `${event.kind} in the session of ${holder?.peer}, sent by ${sender?.peer ?? 'a stranger'}`;
        throw new SimFailure('a session is its peer’s', words);
      }
      this.checkIn(holder.principal, event.kind);
      const why = forbids(state, event, holder);
      if (why !== undefined && decided !== this.before)
        throw new SimFailure('nothing happens without the right to it', `${holder.peer} may not ${why}`);
    }
    this.before = decided;
  }

  recovered(state: BrokerState): void {
    this.holders.clear();
    this.before = fingerprint(state);
  }

  private opened(
    { session, principal, role }: Extract<BrokerEvent, { kind: 'sessionOpened' }>,
    sender: Sender | null | undefined,
  ): void {
    const rightful = sender == null ? '' : principalIdOf(simIdentity(sender.identity).key);
    if (sender == null || principal !== rightful || role !== sender.role) {
      throw new SimFailure('a session is its peer’s', `${sender?.peer} became ${principal} as ${role}`);
    }
    this.checkIn(principal, 'a session');
    this.holders.set(session, { ...sender, principal });
  }

  private checkIn(principal: PrincipalId, what: string): void {
    if (!this.out.has(principal)) return;
    throw new SimFailure('who is revoked does nothing', `${what} of ${principal}`);
  }
}

/** What nobody but those who may can change. Attempts come and go by themselves. */
function fingerprint({
  tasks,
  ended,
  nextTask,
  nextEphemeral,
  workers,
  counters,
  policies,
  models,
}: BrokerState): string {
  let asked = 0;
  for (const task of tasks.values()) if (task.cancelRequested) asked += 1;
  const nodes = [...workers.values()]
    .map(({ id, drained, deadline }) => `${id}${drained}${deadline?.at}${deadline?.ms}`)
    .join(' ');
  return `${nextTask} ${nextEphemeral} ${tasks.size} ${ended.size} ${counters.cancelled} ${asked} ${policies.newest} ${policies.inForce.version} ${models.known.size} ${nodes}`;
}

/** The tasks that a message tells of; that one is not found tells of none. */
function idsIn(message: Message): readonly TaskId[] {
  switch (message.kind) {
    case 'finished': {
      const code = message.failure?.code;
      const isNone = code === 'rejected.not-found' || (code === 'lost.broker' && isEphemeral(message.task));
      return isNone ? [] : [message.task];
    }
    case 'changed':
    case 'accepted':
      return [message.task];
    case 'reply': {
      const named = JSON.stringify(message.result).matchAll(/"([te][0-9.]+)"/g);
      return [...named].flatMap(([, id = '']) => parseTaskId(id) ?? []);
    }
    default:
      return [];
  }
}

/** In words what the holder asks without a right to it; undefined when it may. */
function forbids(
  { tasks, ended }: BrokerState,
  event: Extract<BrokerEvent, { kind: 'message' | 'submit' }>,
  { role, principal }: Holder,
): string | undefined {
  if (event.kind === 'submit') return role === 'viewer' || role === 'worker' ? 'submit' : undefined;
  const { message } = event;
  if (message.kind !== 'request' || role === 'admin') return undefined;
  if (role === 'worker') return `ask ${message.op}`;
  switch (message.op) {
    case 'drain':
    case 'planDrain':
    case 'removeNode':
    case 'revokePrincipal':
    case 'promotePolicy':
    case 'rollBackPolicy':
    case 'addModel':
    case 'removeModel':
    case 'loadModel':
    case 'unloadModel':
    case 'tuneModel':
      return message.op;
    case 'cancel': {
      const id = (message.args as { task: TaskId }).task;
      const owner = (tasks.get(id) ?? ended.get(id))?.principal;
      return role === 'viewer' || owner !== principal ? `cancel ${formatTaskId(id)}` : undefined;
    }
    default:
      return undefined;
  }
}
