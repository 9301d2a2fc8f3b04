/**
 * The omniscient witness of a run: sees every step, message, answer and started unit, and fails the run at the first
 * thing that must not be. What it knows is its own; it asks the broker's state, never the other way round.
 *
 * 1. What left the broker (an answer, a lease, an acknowledgement) is in the state after every later recovery.
 * 2. An outcome told once is the outcome for ever, for everybody.
 */
import { type BrokerEvent, type BrokerState, brokenInvariants, type Task } from '@gryphgen/broker';
import type { Finished, Message, PrincipalId, PrincipalLimitTable, TaskId } from '@gryphgen/protocol';
import { defaultTimers, formatTaskId, isEphemeral, limits } from '@gryphgen/protocol';
import type { Fence, StartOrder } from '@gryphgen/worker';
import { AuthorityCheck, type Sender } from './authority-check.ts';
import { ClaimCheck } from './claim-check.ts';
import { CreditCheck } from './credit-check.ts';
import { DrainCheck } from './drain-check.ts';
import { DurabilityCheck } from './durability-check.ts';
import { checkGivenUp, type GivenUp, noteHolder } from './given-up-check.ts';
import type { GridShape } from './grid-shape.ts';
import { LoanCheck } from './loan-check.ts';
import { ModelCheck } from './model-check.ts';
import { type Ending, wrongWith } from './outcome-model.ts';
import { PhysicalCheck, type RunEnd } from './physical-check.ts';
import { checkExplained, PlacementCheck } from './placement-check.ts';
import { PolicyCheck } from './policy-check.ts';
import { PreemptCheck } from './preempt-check.ts';
import { PrincipalCheck } from './principal-check.ts';
import { PromiseCheck } from './promise-check.ts';
import { checkRequeued, checkTries, type Tries } from './retry-check.ts';
import { ServedCheck } from './served-check.ts';
import type { BrokerWitness } from './sim-broker.ts';
import { SimFailure } from './sim-failure.ts';
import type { MachineWitness } from './sim-machine.ts';
import { instanceScript } from './sim-models.ts';
import type { WorkerWitness } from './sim-worker.ts';
import { phaseOf, type ShownPhase } from './task-phases.ts';
import type { Script } from './task-script.ts';
import { WatchedTime } from './watched-time.ts';
import { WindowCheck } from './window-check.ts';
import type { World } from './world.ts';

interface Shadow extends Tries {
  phase: ShownPhase;
  attempt: number;
  notBefore: number;
}

export class Observer implements BrokerWitness, MachineWitness, WorkerWitness {
  readonly physical: PhysicalCheck;
  readonly promises: PromiseCheck;
  readonly watched: WatchedTime;
  readonly durability = new DurabilityCheck();
  private readonly credit = new CreditCheck();
  private readonly authority = new AuthorityCheck();
  private readonly placement = new PlacementCheck();
  private readonly principals: PrincipalCheck;
  private readonly windows: WindowCheck;
  private readonly claims: ClaimCheck;
  private readonly preempts: PreemptCheck;
  private readonly models: ModelCheck;
  private readonly loans: LoanCheck;
  readonly served = new ServedCheck();
  private readonly drains = new DrainCheck();
  private readonly policies = new PolicyCheck();
  private readonly world: World;
  private readonly scripts: (body: string) => Script | undefined;
  private readonly made = new Map<TaskId, Script>();
  steps = 0;
  /** The broker's, at its last step. */
  private wall = 0;
  private leaseRepeats = 0;
  private shadows = new Map<TaskId, Shadow>();

  /** `steadySince`: since when a worker's process has been running without a pause. */
  constructor(
    world: World,
    grid: GridShape,
    principalLimits: PrincipalLimitTable,
    scripts: (body: string) => Script | undefined,
    steadySince: (worker: string) => number,
  ) {
    this.world = world;
    this.scripts = scripts;
    this.physical = new PhysicalCheck(grid.workers, steadySince);
    this.watched = new WatchedTime(world);
    this.principals = new PrincipalCheck(principalLimits, world.coverage);
    this.claims = new ClaimCheck(world.coverage);
    this.preempts = new PreemptCheck(world.coverage);
    this.models = new ModelCheck(world.coverage);
    this.loans = new LoanCheck(world.coverage);
    this.windows = new WindowCheck(world.coverage);
    this.promises = new PromiseCheck(
      () => world.now,
      (task) => this.durability.cancelTold(task),
    );
  }

  stepped(state: BrokerState, event: BrokerEvent, wall: number, sender: Sender | null | undefined): void {
    this.steps += 1;
    this.wall = wall;
    const { leaseRepeats } = state.counters;
    if (event.kind === 'sessionOpened' && leaseRepeats > this.leaseRepeats)
      this.world.coverage.reached('a lease that was not taken is sent again');
    this.leaseRepeats = leaseRepeats;
    this.authority.stepped(state, event, sender);
    if (event.kind === 'keyRevoked') this.physical.removed();
    this.credit.stepped(event);
    this.watched.stepped(state, event);
    this.promises.stepped(state, event, wall);
    this.drains.stepped(state, event, this.world.now);
    this.windows.stepped(state, event, wall, this.world.now);
    this.preempts.stepped(state, wall);
    this.models.stepped(state, event);
    this.loans.stepped(state, event);
    for (const task of state.tasks.values()) this.look(state, event, task);
    for (const [id, shadow] of this.shadows) {
      if (shadow.phase !== 'ended' && !state.tasks.has(id)) this.lookEnded(state, event, id);
    }
    this.placement.stepped(state, event, wall);
    this.principals.stepped(state);
    this.claims.stepped(state, event, wall);
    const [wrong] = brokenInvariants(state);
    if (wrong !== undefined) throw new SimFailure('the state is sound', `after ${event.kind}: ${wrong}`);
  }

  recovered(state: BrokerState): void {
    this.watched.restarted();
    this.promises.recovered(state);
    this.policies.recovered(state);
    this.authority.recovered(state);
    this.placement.recovered(state);
    this.claims.recovered();
    this.models.recovered(state);
    this.loans.recovered();
    this.windows.recovered(state);
    this.preempts.recovered(state);
    this.principals.stepped(state);
    this.served.recovered();
    const before = this.shadows;
    this.shadows = new Map();
    for (const task of [...state.tasks.values(), ...state.ended.values()]) {
      noteHolder(task);
      this.authority.made(task);
      this.shadows.set(task.id, shadowOf(task));
      const was = before.get(task.id)?.phase;
      if (was !== undefined && was !== 'ended')
        this.world.coverage.reached(`task survives a restart: ${was}`);
    }
  }

  revoked(principal: PrincipalId): void {
    this.authority.revoked(principal);
    this.world.coverage.reached('a principal is revoked');
  }

  sent(message: Message, connection: string, session: string): void {
    if (message.kind === 'lease') {
      const worker = connection.slice(0, connection.indexOf('#'));
      this.physical.leaseSent(message, worker, this.world.now);
    }
    this.authority.sent(message, session);
    this.credit.sent(message, session);
    this.durability.sent(message);
    this.loans.sent(message);
    this.policies.sent(message);
    if (message.kind === 'stop' && message.reason === 'drain')
      this.preempts.stopSent(message.task, message.attempt);
    if (message.kind === 'reply' && message.failure === null) this.windows.answered(session, message.id);
    if (message.kind !== 'finished' || !this.authority.hides(session, message.task))
      this.promises.sent(message, session);
  }

  running(worker: string, order: StartOrder): void {
    this.world.trace.note(worker, `RUNS ${formatTaskId(order.fence.task)}.${order.fence.attempt}`);
    this.physical.running(worker, order, this.world.now);
  }

  ended(worker: string, fence: Fence, how: RunEnd): void {
    this.world.trace.note(worker, `ENDED ${formatTaskId(fence.task)}.${fence.attempt} ${how}`);
    this.physical.ended(worker, fence, how, this.world.now);
  }

  stopTaken(fence: Fence): void {
    this.physical.stopTaken(fence, this.world.now);
  }

  died(worker: string): void {
    this.physical.forgetStops(worker);
  }

  violation(words: string): void {
    throw new SimFailure('a machine does as it is told', words);
  }

  /** A client was told of an end: it must be the one end there is. */
  told(message: Finished): void {
    // Of another's task, or of none: that it is told to nobody else has been seen when it was sent.
    if (message.failure?.code !== 'rejected.not-found') this.promises.outcomeTold(message);
  }

  scriptOf(task: Task): Script {
    const { envelope } = task.spec;
    if (envelope.kind === 'instance') return instanceScript(task.id, envelope);
    const script = this.scripts(task.body);
    if (script === undefined)
      throw new SimFailure('bodies are kept', `${formatTaskId(task.id)} has another body`);
    return script;
  }

  /** Undefined for a task that is long forgotten. */
  scriptOfTask(id: TaskId): Script | undefined {
    return this.made.get(id);
  }

  private look(state: BrokerState, event: BrokerEvent, task: Task): void {
    this.served.stepped(task);
    const shadow = this.shadows.get(task.id);
    const phase = phaseOf(task);
    if (shadow === undefined) {
      this.world.coverage.reached(`task none → ${phase}`);
      checkExplained(state, task, this.wall);
      this.made.set(task.id, this.scriptOf(task));
      this.authority.made(task);
      this.shadows.set(task.id, shadowOf(task));
      return;
    }
    if (shadow.phase === 'ended')
      throw new SimFailure('an end is final', `${formatTaskId(task.id)} is live again`);
    if (shadow.phase === phase && shadow.attempt === task.attempt) return;
    if (task.attempt < shadow.attempt) {
      throw new SimFailure(
        'attempts only grow',
        `${formatTaskId(task.id)} from ${shadow.attempt} to ${task.attempt}`,
      );
    }
    this.world.coverage.reached(`task ${shadow.phase} → ${phase}`);
    checkExplained(state, task, this.wall);
    checkTries(task);
    const wasOut = shadow.phase === 'leased' || shadow.phase === 'running';
    if (wasOut && task.lastFailure !== null && (phase === 'waiting' || phase === 'backoff')) {
      this.gaveUp(event, { task, attempt: shadow.attempt, code: task.lastFailure.code });
      checkRequeued(state, task, shadow, this.physical.sinceStart(task.id, shadow.attempt, this.world.now));
    } else if (shadow.phase === 'backoff' && state.watch < shadow.notBefore) {
      const words = `${formatTaskId(task.id)} goes on ${shadow.notBefore - state.watch} ms too early`;
      throw new SimFailure('a backoff is waited out', words);
    }
    noteHolder(task);
    Object.assign(shadow, shadowOf(task));
  }

  private lookEnded(state: BrokerState, event: BrokerEvent, id: TaskId): void {
    const task = state.ended.get(id);
    const shadow = this.shadows.get(id) as Shadow;
    const past = shadow.phase;
    shadow.phase = 'ended';
    if (task?.outcome == null) {
      if (state.ended.size >= limits.finishedTasks) return;
      throw new SimFailure('no task vanishes', `${formatTaskId(id)} was ${past} and is nowhere`);
    }
    const { state: outcome, failure } = task.outcome;
    this.world.coverage.reached(`task ${past} → ${outcome}`);
    checkExplained(state, task, this.wall);
    checkTries(task);
    const wasOut = past === 'leased' || past === 'running';
    if (wasOut && failure?.code.startsWith('lost.'))
      this.gaveUp(event, { task, attempt: shadow.attempt, code: failure.code });
    const script = this.scriptOf(task);
    const ending: Ending = { ...task.outcome, attempt: task.attempt };
    const run = this.physical.endOf(id, task.attempt);
    const wrong = wrongWith(ending, {
      script,
      run,
      stopTakenAt: run === undefined ? undefined : this.physical.stoppedAt(run.fence),
      failures: task.failures,
      losses: task.losses,
      ...this.promises.cancelOf(id),
    });
    if (wrong === undefined) return;
    const words = `${formatTaskId(id)}.${task.attempt} ${outcome} ${failure?.code ?? ''}: ${wrong}`;
    throw new SimFailure('outcomes are true', words);
  }

  private gaveUp(event: BrokerEvent, given: GivenUp): void {
    const wrong = checkGivenUp(event, given, this.watched);
    if (wrong !== undefined) throw new SimFailure('no attempt is given up without cause', wrong);
    const { task, attempt, code } = given;
    const run = this.physical.endOf(task.id, attempt);
    if (code === 'lost.drained') this.drains.drained(task.id, attempt, run);
    else if (code === 'lost.worker') this.preempts.lost(task.id, attempt, event);
    if (code === 'lost.preempted') this.preempts.preempted(task.id, attempt, run);
  }

  /** What must be over when nothing is asked of the grid any more. */
  unfinished(): string[] {
    const { leaseMs, graceMs } = defaultTimers;
    const open = [...this.shadows].filter(([id, { phase }]) => phase !== 'ended' && !isEphemeral(id));
    const words = open.map(
      ([id, { phase, attempt }]) => `${formatTaskId(id)} is still ${phase} (attempt ${attempt})`,
    );
    if (this.physical.runningCount > 0)
      words.push(`${this.physical.runningCount} units run on, ${leaseMs + graceMs} ms later`);
    return words;
  }
}

function shadowOf(task: Task): Shadow {
  const { attempt, notBefore, failures, losses } = task;
  return { phase: phaseOf(task), attempt, notBefore, failures, losses };
}
