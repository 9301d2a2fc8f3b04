/** The parts of one simulated grid, wired together; what happens to them comes from the plan. */
import { createHash } from 'node:crypto';
import {
  type BrokerState,
  decodeDecisions,
  explainDocument,
  JournalError,
  type Task,
} from '@gryphgen/broker';
import { formatTaskId, type Role, type TaskId } from '@gryphgen/protocol';
import { type AuthorizedKey, gridIdOf } from '@gryphgen/runtime';
import { explain, place } from '@gryphgen/scheduler';
import type { Sender } from './authority-check.ts';
import { CallerLog } from './caller-log.ts';
import type { Coverage } from './coverage.ts';
import { FaultInjector } from './fault-injector.ts';
import { limitTableOf } from './grid-shape.ts';
import { Observer } from './observer.ts';
import type { Operation } from './operation.ts';
import { SeededRandom } from './seeded-random.ts';
import { knownWithinMs } from './served-check.ts';
import { SimBroker } from './sim-broker.ts';
import { SimClient } from './sim-client.ts';
import { SimClock } from './sim-clock.ts';
import { SimDisk } from './sim-disk.ts';
import { SimFailure } from './sim-failure.ts';
import { authorize, simIdentity } from './sim-identity.ts';
import { SimMachine } from './sim-machine.ts';
import { type Packet, SimNetwork } from './sim-network.ts';
import type { SimNode } from './sim-node.ts';
import type { PeerSetting } from './sim-peer.ts';
import { SimWorker } from './sim-worker.ts';
import type { RunPlan } from './simulation.ts';
import { bodyOf, isEndless, type Script } from './task-script.ts';
import { unchanged } from './workload.ts';
import { World } from './world.ts';

const gridId = gridIdOf(simIdentity('grid').key);

export class SimGrid {
  readonly world: World;
  readonly observer: Observer;
  readonly callers: CallerLog;
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  readonly broker: SimBroker;
  readonly workers: readonly SimWorker[];
  readonly clients: readonly SimClient[];
  failure: SimFailure | null = null;
  private readonly plan: RunPlan;
  private readonly setting: PeerSetting;
  private readonly coverage: Coverage;
  private readonly random: SeededRandom;
  private readonly authorized = new Map<string, AuthorizedKey>();
  private readonly faults: FaultInjector;
  private readonly ending = new Set<TaskId>();
  private connections = 0;
  private healedAt = 0;

  constructor(plan: RunPlan, coverage: Coverage, keepLines: number) {
    this.plan = plan;
    this.coverage = coverage;
    this.random = new SeededRandom(`${plan.seed}/run`);
    this.world = new World(coverage, keepLines);
    const { byNo, byBody } = scriptsOf(plan);
    const principalLimits = limitTableOf(plan.grid);
    this.observer = new Observer(
      this.world,
      plan.grid,
      principalLimits,
      (body) => byBody.get(body),
      (worker) => this.peer(worker)?.steadySince ?? 0,
    );
    this.callers = new CallerLog(this.world, this.observer);
    this.disk = new SimDisk(this.random.split('disk'));
    this.disk.onCommit = (records) => this.observer.durability.committed(decodeDecisions(records));
    this.network = new SimNetwork(this.world, this.random.split('network'), (packet) => this.deliver(packet));
    this.setting = {
      world: this.world,
      transmit: (packet) => this.network.send(packet),
      coalesces: plan.coalesces,
      grid: gridId,
      newConnection: (peer) => this.newConnection(peer),
      onFatal: (error) => this.onFatal(error),
      isRevoked: (identity) => !this.authorized.has(simIdentity(identity).key),
    };
    this.broker = new SimBroker({
      ...this.setting,
      clock: this.clock('broker'),
      random: this.random.split('broker'),
      disk: this.disk,
      authorized: this.authorized,
      principalLimits,
      senderOf: (peer) => this.senderOf(peer),
      witness: this.observer,
    });
    this.workers = plan.grid.workers.map((shape) => {
      this.admit(shape.name, 'worker');
      const random = this.random.split(shape.name);
      const machine = new SimMachine(shape.name, this.world, random.split('machine'), byNo, this.observer);
      return new SimWorker(shape, machine, this.clock(shape.name), random, this.setting, this.observer);
    });
    const people = plan.grid.clients.map(({ name, identity }) => this.client(name, identity, 'submitter'));
    this.clients = [
      ...people,
      this.client('admin', 'admin', 'admin'),
      this.client('viewer', 'viewer', 'viewer'),
    ];
    this.faults = new FaultInjector(this, this.random.split('faults'));
  }

  async start(): Promise<void> {
    this.broker.start();
    this.observer.watched.watching(true);
    for (const node of [...this.workers, ...this.clients]) {
      this.world.at(this.random.between(0, 300), () => node.start());
    }
    for (const operation of this.plan.operations) {
      this.world.at(operation.at, () => this.begin(operation));
    }
    for (const fault of this.plan.faults) this.world.at(fault.at, () => this.faults.begin(fault));
    for (let n = 0; n < 4; n += 1) {
      this.world.at(this.random.between(5000, 80_000), () => this.broker.checkReplay());
    }
  }

  private begin(operation: Operation): void {
    if (operation.kind !== 'change') this.callers.begin(this.clientNamed(operation.client), operation);
    else this.workers.find(({ name }) => name === operation.worker)?.change(operation.change);
  }

  /** The end of all faults: everything is up, connected and whole again. */
  heal(): void {
    this.faults.healAll();
    this.healedAt = this.world.now;
    for (const worker of this.workers) worker.change(unchanged);
    this.endEndless();
  }

  /**
   * Tasks that run until they are stopped, and those that wait for a machine that this grid does not have, are cancelled
   * now, unless somebody did: once is enough, when the journal can take it (E19). Workers that still drain are resumed.
   */
  private endEndless(): void {
    const { state } = this.broker;
    for (const { view, windows } of state?.workers.values() ?? []) {
      if (view.draining || windows.length > 0) this.callers.resume(this.clientNamed('admin'), view.name);
    }
    const endable = state === null || state.journalStalled ? [] : state.tasks.values();
    for (const name of state?.models.known.keys() ?? [])
      if (state?.models.of(name).asking === 0) this.callers.removeModel(this.clientNamed('admin'), name);
    for (const task of endable) {
      // Those that the broker began it ends by itself, when nobody asks them any more.
      if (task.spec.envelope.kind === 'instance') continue;
      if (task.cancelRequested || this.ending.has(task.id)) continue;
      const script = this.observer.scriptOf(task);
      const runsOn = script.runMs === Number.POSITIVE_INFINITY || isEndless(script);
      const homeless = task.phase === 'waiting' && state !== null && isHomeless(state, task);
      if (!runsOn && !homeless) continue;
      if (script.service !== null && script.runMs === Number.POSITIVE_INFINITY) {
        // Time enough to hear of it.
        if (this.world.now < this.healedAt + 2 * knownWithinMs) continue;
        this.observer.served.checkKnown(task, state?.watch ?? 0);
      }
      this.ending.add(task.id);
      this.callers.cancel(this.clientNamed('admin'), task.id);
    }
    this.world.after(5000, () => this.endEndless());
  }

  /** Nothing is asked for, running or unanswered any more. */
  isQuiet(): boolean {
    if (!this.faults.allHealed || this.world.now < this.lastOperationAt) return false;
    const { state } = this.broker;
    if (state === null || state.tasks.size > 0 || this.observer.physical.runningCount > 0) return false;
    return this.leftOver().length === 0 && this.callers.unanswered().length === 0;
  }

  unfinished(): string[] {
    return [...this.observer.unfinished(), ...this.leftOver(), ...this.callers.unanswered()];
  }

  /** What the broker has reserved, a worker remembers or a machine keeps of attempts that must be over. */
  private leftOver(): string[] {
    const reserved = (this.broker.state?.views ?? [])
      .filter(({ ledger }) => ledger.attempts > 0)
      .map(({ name, ledger }) => `${ledger.attempts} attempts are reserved on ${name}`);
    const held = this.workers.flatMap(({ name, state, machine }) => [
      ...[...(state?.attempts.values() ?? [])].map(({ key, phase }) => `${name} holds ${key} (${phase})`),
      ...(machine.unitCount > 0 ? [`${name} keeps ${machine.unitCount} units`] : []),
    ]);
    return [...this.waitingWhy(), ...reserved, ...held];
  }

  private waitingWhy(): string[] {
    const { state } = this.broker;
    const waiting = [...(state?.tasks.values() ?? [])].filter(({ phase }) => phase === 'waiting');
    return waiting.map((task) => {
      const { decision, workers } = explain(task.spec.envelope, state?.views ?? []);
      const each = workers.map(({ name, reasons }) => `${name}: ${reasons?.join(', ') ?? 'feasible'}`);
      return `${formatTaskId(task.id)} waits: ${decision} (${each.join('; ')})`;
    });
  }

  /** What must hold of a grid at rest. */
  checkEnd(): void {
    this.broker.checkReplay();
    this.callers.checkEnd();
  }

  coverageRecord(): Record<string, number> {
    for (const worker of this.workers) worker.coverReached();
    return this.coverage.toRecord();
  }

  nodes(): readonly SimNode[] {
    return [this.broker, ...this.workers, ...this.clients];
  }

  peer(name: string): SimWorker | SimClient | undefined {
    return this.workers.find((node) => node.name === name) ?? this.clients.find((node) => node.name === name);
  }

  private get lastOperationAt(): number {
    return this.plan.operations.at(-1)?.at ?? 0;
  }

  private clientNamed(name: string): SimClient {
    const found = this.clients.find((client) => client.name === name);
    if (found === undefined) throw new Error(`no client ${name}`);
    return found;
  }

  private client(name: string, identity: string, role: Role): SimClient {
    this.admit(identity, role);
    return new SimClient(
      name,
      identity,
      role,
      this.clock(name),
      this.random.split(name),
      this.setting,
      this.callers,
    );
  }

  private admit(identity: string, role: Role): void {
    const entry = authorize(identity, role);
    this.authorized.set(entry.key, entry);
  }

  private clock(name: string): SimClock {
    return new SimClock(this.random.split(`clock ${name}`), this.plan.grid.drift);
  }

  private senderOf(name: string): Sender | undefined {
    const node = this.peer(name);
    return node && { peer: node.name, identity: node.identity, role: node.role };
  }

  private newConnection(name: string): string {
    this.connections += 1;
    return `${name}#${this.connections}`;
  }

  private deliver(packet: Packet): void {
    if (packet.direction === 'toBroker') this.broker.receive(packet);
    else this.peer(packet.peer)?.receive(packet);
  }

  /** A real process would end: a lost journal is a fault like a crash, everything else has found a bug. */
  private onFatal(error: unknown): void {
    if (error instanceof JournalError && error.code === 'io') this.faults.diskDied();
    else
      this.failure ??=
        error instanceof SimFailure ? error : new SimFailure('nothing throws', String(error), error);
  }
}

/** No machine can take it, or its principal may never have so much: it was taken while that was not known. */
function isHomeless(state: BrokerState, task: Task): boolean {
  const never = explainDocument(state, task, 0).quota?.ends.length === 0;
  return never || place(task.spec.envelope, state.views).kind === 'impossible';
}

function scriptsOf(plan: RunPlan): { byNo: Map<number, Script>; byBody: Map<string, Script> } {
  const byNo = new Map<number, Script>();
  const byBody = new Map<string, Script>();
  for (const operation of plan.operations) {
    if (operation.kind !== 'submit') continue;
    const { script } = operation;
    byNo.set(script.no, script);
    byBody.set(createHash('sha256').update(bodyOf(script)).digest('hex'), script);
  }
  return { byNo, byBody };
}
