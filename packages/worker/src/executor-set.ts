/** The executors of one worker: which there are, which can work now, and whose turn it is for an attempt. */
import { failure, type HeldShards, type ModelEngine, type Offers, type TaskKind } from '@gryphgen/protocol';
import type { Alarms, Log } from '@gryphgen/runtime';
import type { StartOrder, WorkerEffect } from './core/effects.ts';
import type { AdoptedAttempt } from './core/events.ts';
import { type Fence, keyOf } from './core/fence.ts';
import type { Enter } from './exec/exec-sessions.ts';
import type { Adoption, Executor, ExecutorEvents } from './executors/executor.ts';
import { foreign, type ProcessOwner, seesTheHost } from './executors/process-owner.ts';
import { Question } from './probe/question.ts';

/** An executor has limits of its own for what it asks: this is for one whose limits fail. */
const probeMs = 60_000;
/** Processes looked at for one look at the devices: more than use all cards of a machine at once. */
const maxOwners = 1024;

export interface ExecutorSetTools {
  readonly alarms: Alarms;
  readonly log: Log;
  readonly seesTheHost?: (() => Promise<boolean>) | undefined;
}

export class ExecutorSet {
  private readonly executors: readonly Executor[];
  private readonly events: ExecutorEvents;
  private readonly log: Log;
  private readonly seesTheHost: () => Promise<boolean>;
  /** Which executor an attempt is with: from its start or adoption until it is forgotten. */
  private readonly owners = new Map<string, Executor>();
  private readonly adopted = new Map<Executor, readonly AdoptedAttempt[]>();
  private offered: readonly TaskKind[] = [];

  private readonly questions: readonly Question<boolean>[];

  constructor(executors: readonly Executor[], events: ExecutorEvents, tools: ExecutorSetTools) {
    const { alarms, log } = tools;
    this.executors = executors;
    this.events = events;
    this.log = log;
    this.seesTheHost = tools.seesTheHost ?? seesTheHost;
    this.questions = executors.map(
      (executor) =>
        new Question({
          what: `the ${executor.kind} executor`,
          limitMs: probeMs,
          alarms,
          put: () => executor.probe(),
        }),
    );
  }

  /** The kinds that can run now. */
  async probe(): Promise<readonly TaskKind[]> {
    const able = await Promise.all(this.questions.map((question) => this.answerTo(question)));
    this.offered = this.executors.filter((_, index) => able[index]).map(({ kind }) => kind);
    return this.offered;
  }

  /** Of the executor that has any: containers alone are bound by a policy. */
  offers(): Offers | undefined {
    return this.executors.find((executor) => executor.offers !== undefined)?.offers?.();
  }

  /** Beside what the owner says. */
  labels(): Readonly<Record<string, string>> {
    return Object.assign({}, ...this.executors.map((executor) => executor.labels?.()));
  }

  /** Of the executor that has any. */
  get shards(): HeldShards | undefined {
    return this.executors.find(({ shards }) => shards !== undefined)?.shards;
  }

  /** What loads models. */
  get engines(): readonly ModelEngine[] {
    return this.executors.flatMap(({ engines = [] }) => engines);
  }

  get troubles(): readonly string[] {
    return this.executors.flatMap(({ troubles = [] }) => troubles);
  }

  /** Containers that wait for a task. */
  get warm(): number {
    return this.executors.reduce((sum, { warm = 0 }) => sum + warm, 0);
  }

  press(pressed: boolean): void {
    for (const executor of this.executors) executor.press?.(pressed);
  }

  /** One that does not know in time cannot run anything now. */
  private async answerTo(question: Question<boolean>): Promise<boolean> {
    try {
      return await question.ask();
    } catch (error) {
      this.log.warn({ err: error }, 'an executor cannot be probed');
      return false;
    }
  }

  /** All that is here; to be asked again after `notYet`. What one executor waits for holds up no other. */
  async adopt(): Promise<Adoption> {
    let waits: Extract<Adoption, { readonly notYet: string }> | null = null;
    for (const executor of this.executors) {
      if (this.adopted.has(executor)) continue;
      const found = await executor.adopt();
      if ('notYet' in found) {
        waits ??= found;
        continue;
      }
      this.adopted.set(executor, found);
      for (const { fence } of found) this.owners.set(keyOf(fence), executor);
    }
    return waits ?? [...this.adopted.values()].flat();
  }

  start(order: StartOrder): void {
    const { kind } = order.envelope;
    const executor = this.executors.find((one) => one.kind === kind);
    if (executor === undefined) {
      const why = failure(
        'lost.worker',
        `this worker runs no ${kind} tasks, only ${this.offered.join(', ') || 'none'}`,
      );
      this.events.startFailed(order.fence, why);
      return;
    }
    this.owners.set(keyOf(order.fence), executor);
    executor.start(order);
  }

  end(effect: Extract<WorkerEffect, { kind: 'stop' | 'recall' }>): void {
    const { fence } = effect;
    const owner = this.owners.get(keyOf(fence));
    if (effect.kind === 'recall') owner?.recall?.(fence);
    else owner?.stop(fence, effect.graceMs, effect.why);
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    this.owners.get(key)?.forget(fence);
    this.owners.delete(key);
  }

  /** Undefined where no such attempt runs that can be entered. */
  enter(...args: Parameters<Enter>): ReturnType<Enter> {
    for (const executor of this.executors) {
      const entered = executor.enter?.(...args);
      if (entered !== undefined) return entered;
    }
    return undefined;
  }

  /** Of as many as are looked at; undefined when a number says nothing here. */
  async ownersOf(pids: readonly number[]): Promise<ReadonlyMap<number, ProcessOwner> | undefined> {
    if (!(await this.seesTheHost())) return undefined;
    const owners = new Map<number, ProcessOwner>();
    // One after the other: a file of /proc that hangs costs one thread.
    for (const pid of pids.slice(0, maxOwners)) owners.set(pid, await this.ownerOf(pid));
    return owners;
  }

  private async ownerOf(pid: number): Promise<ProcessOwner> {
    let owner = foreign;
    for (const executor of this.executors) {
      const told = await executor.ownerOf(pid);
      if (told.kind === 'attempt' || told.kind === 'gone') return told;
      if (told.kind === 'unknown') owner = told;
    }
    return owner;
  }

  async close(): Promise<void> {
    await Promise.all(this.executors.map((executor) => executor.close()));
  }
}
