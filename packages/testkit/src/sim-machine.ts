/**
 * A worker's machine and what really runs on it. Containers outlive the worker's process and are found again by its
 * next life; so do processes, as long as their keeper does not die, too; no-ops die with it.
 *
 * 1. A container is started at most once: asked a second time, the machine says so to the witness.
 * 2. It tells the worker's process only while that lives; a new life has to look.
 */
import type { Device, Failure, Health, JournalHead } from '@gryphgen/protocol';
import { asksModel, failure } from '@gryphgen/protocol';
import {
  type AdoptedAttempt,
  type Exit,
  type Fence,
  keyOf,
  type Reading,
  type SeenDevice,
  type ServiceState,
  type StartOrder,
  type StopWhy,
} from '@gryphgen/worker';
import type { SeededRandom } from './seeded-random.ts';
import { isServed } from './sim-models.ts';
import { makeUnit, type Unit } from './sim-unit.ts';
import { SimVram } from './sim-vram.ts';
import { type AttemptPlan, planOf, portOf, resultOf, type Script } from './task-script.ts';
import type { World } from './world.ts';

export interface MachineWitness {
  running(worker: string, order: StartOrder): void;
  ended(worker: string, fence: Fence, how: UnitEnd | 'died'): void;
  violation(words: string): void;
}

/** Told to the worker's process, if it lives. */
export interface ProcessEvents {
  started(fence: Fence): void;
  exited(fence: Fence, exit: Exit): void;
  startFailed(fence: Fence, why: Failure): void;
  served(fence: Fence, service: ServiceState): void;
  used(fence: Fence, reading: Reading): void;
  /** Something the process itself does when it comes to it: later, if it is stopped now. */
  turn(run: () => void): void;
}

/** `model`: nothing serves the model that it asks. */
export type UnitEnd = AttemptPlan | 'stopped' | 'model';

const nothing = new Uint8Array(0);
const nothingHeld = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [] };
/** Of the deaths of a worker's process, those that take the keeper with them: a reboot, a kill of all. */
const keeperDeaths = 1 / 4;
const serviceLookMs = 100;
/** What is over sooner is not seen to use anything. */
const useLookMs = 200;

export class SimMachine {
  readonly name: string;
  /** Grows with each boot of the worker's process. */
  boots = 0;
  head: JournalHead | null = null;
  private readonly world: World;
  private readonly random: SeededRandom;
  private readonly scripts: ReadonlyMap<number, Script>;
  private readonly witness: MachineWitness;
  private readonly units = new Map<string, Unit>();
  private process: ProcessEvents | null = null;
  private readonly memory = new SimVram();

  constructor(
    name: string,
    world: World,
    random: SeededRandom,
    scripts: ReadonlyMap<number, Script>,
    witness: MachineWitness,
  ) {
    this.name = name;
    this.world = world;
    this.random = random;
    this.scripts = scripts;
    this.witness = witness;
  }

  get unitCount(): number {
    return this.units.size;
  }

  /** A new life of the worker's process looks at what is here: nothing that was being prepared. */
  adopt(process: ProcessEvents): AdoptedAttempt[] {
    this.boots += 1;
    this.memory.forgetLooks();
    this.process = process;
    // It is looked at anew.
    this.world.after(serviceLookMs, () => {
      for (const unit of this.units.values()) if (this.process === process) this.tellService(unit);
    });
    this.world.after(useLookMs, () => {
      for (const unit of this.units.values()) if (this.process === process) this.tellUse(unit);
    });
    return [...this.units.values()].map(({ order, phase, startedAt, endedAt, exit, stopWhy, lost }) => {
      const { fence, facts } = order;
      const attempt = {
        fence,
        facts: lost ? { ...facts, reservation: nothingHeld } : facts,
        stopping: stopWhy,
      };
      if (phase === 'running') return { ...attempt, found: { phase, ranMs: this.world.now - startedAt } };
      return { ...attempt, found: { phase: 'ended', ranMs: endedAt - startedAt, exit: exit as Exit } };
    });
  }

  /** The worker's process is gone, and what cannot live without it. */
  processDied(): void {
    this.process = null;
    const keeperDies = this.random.next() < keeperDeaths;
    for (const [key, unit] of this.units) {
      // A model's server is a process as any.
      const kind = unit.order.facts.kind === 'instance' ? 'process' : unit.order.facts.kind;
      const isMade = unit.phase === 'made';
      if (kind === 'container' && !isMade) continue;
      if (kind === 'process' && !isMade && !keeperDies) continue;
      if (unit.phase === 'running') this.witness.ended(this.name, unit.order.fence, 'died');
      if (kind === 'process') this.lose(unit);
      else this.units.delete(key);
    }
  }

  /** What its worker's next life finds of a process that no keeper holds: that there was one. */
  private lose(unit: Unit): void {
    const why = failure('lost.worker', 'no keeper holds it');
    this.finish(unit, { exitCode: -1, failure: why, outcome: nothing, stopped: false });
    unit.stopWhy = null;
    unit.lost = true;
  }

  start(order: StartOrder): void {
    const key = keyOf(order.fence);
    const known = this.units.get(key);
    if (known !== undefined) {
      this.witness.violation(`${this.name} was told to start ${key} again, which is ${known.phase}`);
      return;
    }
    const unit = makeUnit(order, this.scripts);
    this.units.set(key, unit);
    const { process } = this;
    const prepareMs = isCall(order.facts.kind)
      ? 0
      : this.random.pick([1, 30, 200, 2000, 8000, 8000]) * this.random.next();
    if (prepareMs === 0) this.run(unit);
    // The order dies with the process that gave it.
    else this.world.after(prepareMs, () => this.process === process && process?.turn(() => this.run(unit)));
  }

  stop(fence: Fence, graceMs: number, why: StopWhy): void {
    const unit = this.units.get(keyOf(fence));
    if (unit === undefined || unit.phase === 'ended') return;
    // What an earlier life had begun with reason, this one goes on with.
    const isJudged = why === 'overuse' && unit.stopWhy !== 'overuse';
    const unjust = isJudged ? this.memory.unjust(unit.order, this.orders()) : undefined;
    if (unjust !== undefined)
      this.witness.violation(`${this.name} ends ${keyOf(fence)} for what it holds: ${unjust}`);
    unit.stopping = true;
    if (unit.phase === 'made') return;
    unit.stopWhy ??= why;
    unit.killAt = Math.min(unit.killAt, this.world.now + graceMs);
    const after = unit.script.stubborn ? unit.killAt - this.world.now : this.random.exponential(20);
    this.world.after(Math.min(after, graceMs), () => this.endIn(unit, 'stopped'));
  }

  /** A loan ends with the answer that is under way, as if its time were over. */
  recall(fence: Fence): void {
    const unit = this.units.get(keyOf(fence));
    if (unit === undefined || unit.script.envelope.loan !== true) return;
    this.world.after(this.random.exponential(20), () => {
      if (unit.phase === 'running')
        this.world.coverage.reached('a loan has ended because it was called back');
      this.endIn(unit, 'ok');
    });
  }

  /** What the driver tells of its devices now, if any is in use. */
  look(devices: readonly Device[]): readonly SeenDevice[] {
    const running = [...this.units.values()].filter(({ phase }) => phase === 'running');
    return this.random.chance(0.05) ? this.memory.lookFailed() : this.memory.look(devices, running);
  }

  private orders(): readonly StartOrder[] {
    return [...this.units.values()].map(({ order }) => order);
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    const unit = this.units.get(key);
    if (unit === undefined) return;
    if (unit.phase === 'running') this.witness.violation(`${this.name} forgets ${key}, which still runs`);
    this.units.delete(key);
  }

  private run(unit: Unit): void {
    const { fence } = unit.order;
    if (this.units.get(keyOf(fence)) !== unit || unit.phase !== 'made') return;
    const isServing = isServed(unit.script, this.units.values());
    const plan = isServing ? planOf(unit.script, fence.attempt) : 'model';
    if (unit.stopping && plan !== 'start') {
      // Stopped while it was being prepared: it never ran.
      this.finish(unit, { exitCode: -1, failure: null, outcome: nothing, stopped: true });
      this.process?.exited(fence, unit.exit as Exit);
      return;
    }
    if (plan === 'start' || plan === 'model') {
      const why = failure(`execution.${plan}`, plan === 'start' ? 'the script says so' : 'nothing serves it');
      this.finish(unit, { exitCode: -1, failure: why, outcome: nothing, stopped: false });
      this.witness.ended(this.name, fence, plan);
      this.process?.startFailed(fence, why);
      return;
    }
    unit.starts += 1;
    if (unit.starts > 1) this.witness.violation(`${this.name} started ${keyOf(fence)} ${unit.starts} times`);
    unit.phase = 'running';
    unit.startedAt = this.world.now;
    this.witness.running(this.name, unit.order);
    if (unit.script.runMs === 0) {
      this.end(unit, plan);
      return;
    }
    this.process?.started(fence);
    this.serve(unit);
    this.world.after(useLookMs, () => this.tellUse(unit));
    if (Number.isFinite(unit.script.runMs)) this.world.after(unit.script.runMs, () => this.endIn(unit, plan));
  }

  /** A service is told of when its ports are known, when it is well and when it is not any more. */
  private serve(unit: Unit): void {
    const { service } = unit.script;
    if (service === null) return;
    const ports = unit.script.envelope.kind === 'instance' ? [] : [portOf(unit.order.fence)];
    const turnTo = (state: Health['state'], words: string) => {
      unit.service = { ports, health: { state, words } };
      this.tellService(unit);
    };
    turnTo('starting', '');
    this.world.after(service.wellMs, () => turnTo('healthy', ''));
    if (Number.isFinite(service.unhealthyMs))
      this.world.after(service.unhealthyMs, () => turnTo('unhealthy', 'the script says so'));
  }

  private tellService({ order, phase, service }: Unit): void {
    if (service !== null && phase === 'running') this.process?.served(order.fence, service);
  }

  private tellUse(unit: Unit): void {
    if (unit.phase === 'running') this.process?.used(unit.order.fence, this.readingOf(unit));
  }

  /** An engine holds a container to what it asked for. */
  private readingOf({ order, script, startedAt }: Unit): Reading {
    const { kind, reservation } = order.facts;
    const limit =
      kind === 'container' && reservation.memoryBytes > 0
        ? reservation.memoryBytes
        : Number.POSITIVE_INFINITY;
    return {
      cpuMs: Math.round(this.world.now - startedAt),
      memoryBytes: Math.min(limit, script.memoryBytes),
    };
  }

  /** A no-op is a timer of the worker's process and ends in its turn; all else ends by itself. */
  private endIn(unit: Unit, how: UnitEnd): void {
    if (!isCall(unit.order.facts.kind)) this.end(unit, how);
    else this.process?.turn(() => this.end(unit, how));
  }

  private end(unit: Unit, how: UnitEnd): void {
    const { fence } = unit.order;
    if (unit.phase !== 'running' || this.units.get(keyOf(fence)) !== unit) return;
    const stopped = how === 'stopped';
    const why = how === 'oom' || how === 'model' ? failure(`execution.${how}`, 'as it went') : null;
    const exitCode = stopped ? 143 : how === 'ok' ? 0 : how === 'oom' ? 137 : 3;
    const outcome = how === 'ok' ? resultOf(unit.script) : nothing;
    const { cpuMs, memoryBytes: peakMemoryBytes } = this.readingOf(unit);
    const usage = cpuMs < useLookMs ? undefined : { cpuMs, peakMemoryBytes };
    this.finish(unit, { exitCode, failure: why, outcome, stopped, usage });
    this.witness.ended(this.name, fence, how);
    this.process?.exited(fence, unit.exit as Exit);
    if (unit.script.envelope.kind !== 'instance') return;
    for (const other of this.units.values())
      if (!isServed(other.script, this.units.values())) this.endIn(other, 'model');
  }

  private finish(unit: Unit, exit: Exit): void {
    unit.phase = 'ended';
    unit.endedAt = this.world.now;
    unit.exit = exit;
    if (unit.startedAt === 0) unit.startedAt = unit.endedAt;
  }
}

/** Answered in the worker's own process, and gone with it. */
function isCall(kind: string): boolean {
  return kind === 'noop' || asksModel(kind);
}
