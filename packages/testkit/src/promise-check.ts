/**
 * What the broker has promised by a message that left it, held against every state it has later (invariants 1–3).
 *
 * `accepted`: the durable task is known for ever. `finished`, `resultAck`: the outcome stands. `lease`: the attempt's
 * number is never given again. A reply to a cancel or drain: it is remembered. One key: one task, while it is kept.
 */
import type { BrokerEvent, BrokerState, Worker } from '@gryphgen/broker';
import type { Finished, Message, Request, SessionId, TaskId } from '@gryphgen/protocol';
import { formatTaskId, isEphemeral, limits } from '@gryphgen/protocol';
import { SimFailure } from './sim-failure.ts';

interface Promised {
  accepted: boolean;
  /** As told; null while nobody was. */
  outcome: string | null;
  leasedAttempt: number;
  acknowledgedAttempt: number;
  cancelAsked: boolean;
  cancelToldAt: number | null;
}

interface KeyPromise {
  readonly task: TaskId;
  readonly at: number;
}

export class PromiseCheck {
  private readonly now: () => number;
  private readonly onCancelTold: (task: TaskId) => void;
  private readonly tasks = new Map<TaskId, Promised>();
  private readonly keys = new Map<string, KeyPromise>();
  private readonly orders = new Map<string, Request>();
  private readonly drains = new Map<string, string>();
  /** By node: whether and how it drains since the last order that was taken up. An overtaken one changes nothing (E17). */
  private readonly drainedTo = new Map<string, string>();
  /** Orders to drain or resume a node that were taken up and not yet answered: only the last answer says what holds. */
  private readonly openDrains = new Map<string, number>();
  /** The latest the broker's wall clock has shown: keys age by it, and once forgotten stay so. */
  private wall = 0;

  constructor(now: () => number, onCancelTold: (task: TaskId) => void) {
    this.now = now;
    this.onCancelTold = onCancelTold;
  }

  cancelOf(id: TaskId): { readonly cancelAsked: boolean; readonly cancelToldAt: number | null } {
    const { cancelAsked, cancelToldAt } = this.of(id);
    return { cancelAsked, cancelToldAt };
  }

  get acceptedTasks(): readonly TaskId[] {
    return [...this.tasks].filter(([, promised]) => promised.accepted).map(([id]) => id);
  }

  stepped(state: BrokerState, event: BrokerEvent, wall: number): void {
    this.wall = Math.max(this.wall, wall);
    if (event.kind === 'keyRevoked') this.forgetRemoved(state);
    if (
      event.kind === 'message' &&
      event.message.kind === 'request' &&
      isRightful(state, event.session, event.message)
    )
      this.onOrder(state, event.session, event.message);
    if (event.kind !== 'submit' || event.key === '') return;
    const session = state.sessions.get(event.session);
    if (session !== undefined) this.checkKey(state, `${session.principal} ${event.key}`);
  }

  /** A removed node that comes back does not drain; an order to it may still be unanswered. */
  private forgetRemoved(state: BrokerState): void {
    for (const node of this.drainedTo.keys()) {
      if (workerNamed(state, node) !== undefined) continue;
      this.drainedTo.set(node, drainOf(undefined));
      this.drains.delete(node);
    }
  }

  private onOrder(state: BrokerState, session: string, order: Request): void {
    if (order.op === 'cancel') {
      this.of((order.args as { task: TaskId }).task).cancelAsked = true;
      this.orders.set(`${session} ${order.id}`, order);
    } else if (order.op === 'drain') {
      const { node } = order.args as { node: string };
      this.drains.delete(node);
      this.openDrains.set(node, (this.openDrains.get(node) ?? 0) + 1);
      this.drainedTo.set(node, drainOf(workerNamed(state, node)));
      this.orders.set(`${session} ${order.id}`, order);
    }
  }

  private checkKey(state: BrokerState, name: string): void {
    const held = state.keys.get(name);
    if (held === undefined) return;
    const known = this.keys.get(name);
    if (known === undefined || known.task === held.task) {
      this.keys.set(name, { task: held.task, at: held.at });
      return;
    }
    const expired = this.wall - known.at >= limits.keyMs;
    if (!expired && this.of(known.task).accepted) {
      const words = `key "${name}" made ${formatTaskId(known.task)} and then ${formatTaskId(held.task)}`;
      throw new SimFailure('one key makes one task', words);
    }
    this.keys.set(name, { task: held.task, at: held.at });
  }

  sent(message: Message, session: string): void {
    switch (message.kind) {
      case 'accepted':
        this.of(message.task).accepted = true;
        break;
      case 'finished':
        this.outcomeTold(message);
        break;
      case 'lease': {
        const promised = this.of(message.task);
        promised.leasedAttempt = Math.max(promised.leasedAttempt, message.attempt);
        break;
      }
      case 'resultAck': {
        const promised = this.of(message.task);
        promised.acknowledgedAttempt = Math.max(promised.acknowledgedAttempt, message.attempt);
        break;
      }
      case 'reply':
        if (message.failure === null) this.orderDone(`${session} ${message.id}`);
        break;
      default:
    }
  }

  private orderDone(name: string): void {
    const order = this.orders.get(name);
    if (order === undefined) return;
    this.orders.delete(name);
    if (order.op === 'cancel') {
      const { task } = order.args as { task: TaskId };
      this.of(task).cancelToldAt ??= this.now();
      this.onCancelTold(task);
    } else {
      const { node } = order.args as { node: string };
      const open = (this.openDrains.get(node) ?? 0) - 1;
      this.openDrains.set(node, open);
      if (open === 0) this.drains.set(node, this.drainedTo.get(node) ?? drainOf(undefined));
    }
  }

  outcomeTold(message: Finished): void {
    if (message.failure?.code === 'lost.broker' && isEphemeral(message.task)) return;
    const promised = this.of(message.task);
    const outcome = outcomeName(message);
    if (promised.outcome !== null && promised.outcome !== outcome) {
      const words = `${formatTaskId(message.task)} was told as ${promised.outcome}, now as ${outcome}`;
      throw new SimFailure('one task has one outcome', words);
    }
    promised.outcome = outcome;
  }

  recovered(state: BrokerState): void {
    this.forgetUnpromised();
    for (const [id, promised] of this.tasks) if (!isEphemeral(id)) checkRecovered(state, id, promised);
    for (const [node, drain] of this.drains) {
      const worker = workerNamed(state, node);
      if (worker === undefined || drainOf(worker) === drain) continue;
      const words = `${node}, told as ${drain}, is ${drainOf(worker)}`;
      throw new SimFailure('what was acknowledged survives', words);
    }
    for (const [name, { task, at }] of this.keys) {
      const expired = this.wall - at >= limits.keyMs;
      if (this.of(task).accepted && !expired && state.keys.get(name)?.task !== task) {
        throw new SimFailure(
          'what was acknowledged survives',
          `key "${name}" of ${formatTaskId(task)} is forgotten`,
        );
      }
    }
    this.orders.clear();
    this.openDrains.clear();
  }

  /** What nobody was told of may be gone, and its number may be given to another task. */
  private forgetUnpromised(): void {
    for (const [name, { task }] of this.keys) if (!this.of(task).accepted) this.keys.delete(name);
    for (const [id, { accepted }] of this.tasks) if (!accepted) this.tasks.delete(id);
  }

  private of(id: TaskId): Promised {
    let promised = this.tasks.get(id);
    if (promised === undefined) {
      promised = {
        accepted: false,
        outcome: null,
        leasedAttempt: 0,
        acknowledgedAttempt: 0,
        cancelAsked: false,
        cancelToldAt: null,
      };
      this.tasks.set(id, promised);
    }
    return promised;
  }
}

/** Whether the one who orders may (authority-check.ts sees to it that sessions are what they say). */
function isRightful(state: BrokerState, session: SessionId, { op, args }: Request): boolean {
  const { role, principal } = state.sessions.get(session) ?? {};
  if (role === 'admin') return true;
  if (op !== 'cancel' || role !== 'submitter') return false;
  const { task } = args as { task: TaskId };
  return (state.tasks.get(task) ?? state.ended.get(task))?.principal === principal;
}

function workerNamed(state: BrokerState, node: string): Worker | undefined {
  return [...state.workers.values()].find(({ id, view }) => id === node || view.name === node);
}

function drainOf(worker: Worker | undefined): string {
  if (!worker?.drained) return 'not draining';
  const { deadline } = worker;
  return deadline === null ? 'draining' : `draining until ${deadline.at} + ${deadline.ms}`;
}

function checkRecovered(state: BrokerState, id: TaskId, promised: Promised): void {
  const lost = (what: string): never => {
    throw new SimFailure('what was acknowledged survives', `${formatTaskId(id)}: ${what}`);
  };
  const ended = state.ended.get(id);
  const task = state.tasks.get(id) ?? ended;
  if (task === undefined) {
    if (promised.accepted && state.ended.size < limits.finishedTasks) lost('the task is gone');
    return;
  }
  if (promised.outcome !== null) {
    const now = ended?.outcome == null ? 'none' : outcomeName({ ...ended.outcome, attempt: ended.attempt });
    if (now !== promised.outcome) lost(`its outcome was told as ${promised.outcome} and is ${now}`);
  }
  if (task.attempt < promised.leasedAttempt)
    lost(`attempt ${promised.leasedAttempt} was sent, ${task.attempt} is known`);
  if (task.lease !== null && task.attempt <= promised.acknowledgedAttempt) {
    lost(`the result of attempt ${task.attempt} was acknowledged, and it is leased`);
  }
  if (promised.cancelToldAt !== null && ended === undefined && !task.cancelRequested) lost('its cancel');
}

function outcomeName({
  state,
  failure,
  exitCode,
  attempt,
}: Pick<Finished, 'state' | 'failure' | 'exitCode' | 'attempt'>): string {
  return `${state} ${failure?.code ?? ''} exit ${exitCode} of attempt ${attempt}`;
}
