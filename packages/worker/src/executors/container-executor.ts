/**
 * Runs attempts as Docker containers. The container is the worker's memory: it carries its lease in its labels, and it
 * is removed only when the broker has acknowledged the result (`forget`).
 *
 * 1. What runs outlives the worker, and is adopted by its next life, output and all; where the engine does not answer,
 *    as soon as it does.
 * 2. Containers of this grid and worker that no attempt here stands for are removed: at adoption, and by each probe.
 */
import { setMaxListeners } from 'node:events';
import { type ExecOrder, failure, type Offers, type Read } from '@gryphgen/protocol';
import type { Log, Random } from '@gryphgen/runtime';
import type { Container, ContainerInfo, ContainerInspectInfo } from 'dockerode';
import type { StartOrder } from '../core/effects.ts';
import type { AdoptedAttempt } from '../core/events.ts';
import { type Fence, keyOf, nameOf } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import { runBeside } from '../exec/container-command.ts';
import type { Enter } from '../exec/exec-sessions.ts';
import { endCommandsOf } from '../exec/left-commands.ts';
import type { ImageWait } from '../images/image-store.ts';
import type { HostPolicy } from '../policy/host-policy.ts';
import { adoptContainer, leaseOf, type Seen } from './container-adoption.ts';
import { labelsOf, type Owner, readLabels, readNonce } from './container-labels.ts';
import type { Claim } from './container-notes.ts';
import { type ContainerPlan, planContainer } from './container-plan.ts';
import { ContainerRun, type RunTools } from './container-run.ts';
import { statusOf, within, wordsOf } from './docker-engine.ts';
import { askEngine, type Engine } from './engine-facts.ts';
import type { Adoption, Executor } from './executor.ts';
import { containersIn, foreign, type ProcessOwner, readProc } from './process-owner.ts';
import { type WarmLimits, WarmPool } from './warm-pool.ts';

/** An engine that does not answer a question this fast is no use. */
const questionMs = 10_000;
/** Removing is slow (70 ms) and competes with starts for the engine: so many at once. */
const removals = 2;
/** A large container takes seconds; an engine this slow has hung, and must not stop those that wait behind it. */
const removalMs = 60_000;
/** What is still to be removed at the end may take this long; the rest is for the next life. */
const closeMs = 8000;

export interface ContainerExecutorOptions extends Omit<RunTools, 'signal' | 'warm'> {
  readonly owner: Owner;
  readonly log: Log;
  readonly policy: HostPolicy;
  /** Bound of the engine's own log file of each container. */
  readonly logBytes: number;
  readonly random: Random;
  readonly warmLimits: WarmLimits;
}

export class ContainerExecutor implements Executor {
  readonly kind = 'container';
  private readonly options: ContainerExecutorOptions;
  private readonly closing = new AbortController();
  private readonly tools: RunTools;
  private readonly runs = new Map<string, ContainerRun>();
  private readonly lanes: Promise<void>[] = Array.from({ length: removals }, () => Promise.resolve());
  private nextLane = 0;
  private readonly forgetting = new Set<Promise<void>>();
  private readonly clearing = new Map<string, Promise<void>>();
  private engine: Engine | null = null;
  private lastEngine: Engine | null = null;
  private adopted = false;

  constructor(options: ContainerExecutorOptions) {
    this.options = options;
    // Each attempt listens, more than once.
    setMaxListeners(0, this.closing.signal);
    const { signal } = this.closing;
    const remove = (id: string) => this.remove(id);
    const warm = new WarmPool({ ...options, limits: options.warmLimits, signal, remove });
    this.tools = { ...options, beginLog: (fence) => options.beginLog(fence), signal, warm };
  }

  async probe(): Promise<boolean> {
    const { docker, policy, log } = this.options;
    try {
      this.engine = await askEngine(docker, (question) => this.ask(question));
      this.lastEngine = this.engine;
      await policy.look(this.engine.folder);
      if (this.adopted) await this.sweep();
      void this.options.images.look();
      return true;
    } catch (error) {
      if (this.engine !== null) log.warn({ why: wordsOf(error) }, 'the Docker engine does not answer');
      this.engine = null;
      return false;
    }
  }

  /** One that does not answer for a while is taken to be what it was. */
  offers(): Offers {
    return this.options.policy.offers(this.lastEngine);
  }

  /** Containers that wait for a task. */
  get warm(): number {
    return this.tools.warm.kept;
  }

  press(pressed: boolean): void {
    this.tools.warm.press(pressed);
  }

  async adopt(): Promise<Adoption> {
    const { notes } = this.options;
    if (this.engine === null) {
      if (await notes.mayHaveContainers())
        return {
          notYet: 'the Docker engine does not answer, and containers of this worker may be running there',
        };
      // What a first engine may bring later can only be strays.
      this.adopted = true;
      return [];
    }
    const seen = await this.look();
    if ('notYet' in seen) return seen;
    const claims = await notes.claims();
    const found: AdoptedAttempt[] = [];
    for (const one of seen) {
      const attempt = await this.adoptOne(one, claims);
      if (attempt === null) await this.remove(one.info.Id);
      else found.push(attempt);
    }
    if (found.length === 0) await notes.clear();
    this.adopted = true;
    return found;
  }

  /** What the engine knows of each; nothing is begun before it has told all. */
  private async look(): Promise<readonly Seen[] | { readonly notYet: string }> {
    try {
      const seen: Seen[] = [];
      for (const info of await this.list()) seen.push({ info, state: await this.inspect(info.Id) });
      return seen;
    } catch (error) {
      return { notYet: `the Docker engine cannot tell what it runs: ${wordsOf(error)}` };
    }
  }

  /** Null when it is gone. */
  private async inspect(id: string): Promise<ContainerInspectInfo | null> {
    try {
      const container = this.options.docker.getContainer(id);
      return await this.ask((abortSignal) => container.inspect({ abortSignal }));
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  start(order: StartOrder): void {
    const { fence } = order;
    const run = this.runs.get(keyOf(fence)) ?? new ContainerRun(fence, this.tools);
    this.runs.set(keyOf(fence), run);
    run.start((wait) => this.plan(order, wait));
  }

  private async plan(order: StartOrder, wait: ImageWait | null): Promise<Read<ContainerPlan>> {
    const { engine } = this;
    if (engine === null) {
      return noEngine;
    }
    return planContainer(order, { ...this.tools, ...this.options, engine, wait });
  }

  stop(fence: Fence, graceMs: number, why: StopWhy): void {
    this.runs.get(keyOf(fence))?.stop(graceMs, why);
  }

  forget(fence: Fence): void {
    const key = keyOf(fence);
    const run = this.runs.get(key);
    if (run === undefined) return;
    const gone = run.settled.then(async () => {
      if (run.container !== null) await this.remove(run.container.id);
      await this.options.notes.forget(run.fence);
      // Only now: until it is gone it is not a stray that a sweep may report.
      this.runs.delete(key);
      this.forgetting.delete(gone);
    });
    this.forgetting.add(gone);
  }

  readonly enter: Enter = ({ task, attempt }, id, order, signal) => {
    for (const [key, { fence, runningIn, env }] of this.runs) {
      if (fence.task !== task || fence.attempt !== attempt || runningIn === null) continue;
      const user = this.userOf(order);
      if (!user.ok) return Promise.resolve(user);
      const cleared = this.clearing.get(key) ?? Promise.resolve();
      const own = { ...order, env: { ...env, ...order.env } };
      return cleared.then(() => runBeside(runningIn, id, own, this.tools, signal));
    }
    return undefined;
  };

  /** Without a name it is the task's own, which was judged when that began. */
  private userOf({ user }: ExecOrder): Read<string | undefined> {
    if (user === undefined) return { ok: true, value: user };
    return this.engine === null ? noEngine : this.options.policy.userNamed(this.engine, user);
  }

  /** Nobody is connected any more to commands that an earlier life ran beside this attempt. */
  private clear(key: string, container: Container, ids: readonly string[]): void {
    if (ids.length === 0) return;
    const cleared = endCommandsOf(this.options.docker, container, ids, this.tools);
    this.clearing.set(key, cleared);
    void cleared.then(() => this.clearing.delete(key));
  }

  /** Its cgroup says which container it runs in, and may be read of every process. */
  async ownerOf(pid: number): Promise<ProcessOwner> {
    const cgroup = await readProc(pid, 'cgroup');
    if (typeof cgroup !== 'string') return cgroup;
    const ids = containersIn(cgroup);
    for (const [key, { container }] of this.runs)
      if (container !== null && ids.includes(container.id)) return { kind: 'attempt', key };
    return foreign;
  }

  async close(): Promise<void> {
    const cleared = [this.tools.warm.close(), ...this.forgetting];
    await this.withinClosing(Promise.all(cleared));
    this.closing.abort();
    await Promise.all([...this.runs.values()].map(({ settled }) => settled));
    await Promise.all(this.clearing.values());
    await this.options.images.close();
    if (this.adopted && this.runs.size === 0) await this.options.notes.clear();
  }

  private withinClosing(work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.options.alarms.after(closeMs, resolve);
      void work.then(() => {
        cancel();
        resolve();
      });
    });
  }

  private list(): Promise<ContainerInfo[]> {
    const filters = { label: labelsOf(this.options.owner) };
    return this.ask((abortSignal) => this.options.docker.listContainers({ all: true, filters, abortSignal }));
  }

  /** Null when there is nothing to adopt: it is nobody's, or gone. */
  private async adoptOne(
    { info, state }: Seen,
    claims: ReadonlyMap<string, Claim>,
  ): Promise<AdoptedAttempt | null> {
    const lease = leaseOf(info, claims);
    if (lease === undefined || state === null) return null;
    const key = keyOf(lease.fence);
    const container = this.options.docker.getContainer(info.Id);
    const run = new ContainerRun(lease.fence, this.tools);
    const adopted = await adoptContainer(container, state, lease, run, { ...this.options, ...this.tools });
    if (adopted === null) {
      await this.options.notes.forget(lease.fence);
      return null;
    }
    this.runs.set(key, run);
    const { phase } = adopted.found;
    this.options.log.info({ attempt: nameOf(lease.fence), phase }, 'adopted a container');
    if (phase === 'running') this.clear(key, container, state.ExecIDs ?? []);
    return adopted;
  }

  /** An attempt is in `runs` before its container is created and until it is removed: any other is a stray. */
  private async sweep(): Promise<void> {
    for (const info of await this.list()) {
      if (this.isKnown(info)) continue;
      this.options.log.warn({ container: info.Names[0] }, 'removing a container that belongs to no attempt');
      await this.remove(info.Id);
    }
  }

  private isKnown({ Id, Labels }: ContainerInfo): boolean {
    const nonce = readNonce(Labels);
    if (nonce !== null && this.tools.warm.owns(nonce)) return true;
    const label = readLabels(Labels);
    if (label !== undefined) return this.runs.has(keyOf(label.fence));
    return [...this.runs.values()].some(({ container }) => container?.id === Id);
  }

  /** Resolves when it is gone, or cannot be removed: then a later sweep tries again. */
  private remove(id: string): Promise<void> {
    const lane = this.nextLane++ % removals;
    const gone = (this.lanes[lane] ?? Promise.resolve()).then(async () => {
      try {
        const container = this.options.docker.getContainer(id);
        await within(removalMs, this.tools, (abortSignal) =>
          container.remove({ force: true, v: true, abortSignal }),
        );
      } catch (error) {
        if (this.closing.signal.aborted) return;
        // 404: gone. 409: its removal is in progress.
        if (statusOf(error) === 404 || statusOf(error) === 409) return;
        this.options.log.warn({ container: id, why: wordsOf(error) }, 'a container cannot be removed');
      }
    });
    this.lanes[lane] = gone;
    return gone;
  }

  private ask<T>(question: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return within(questionMs, this.tools, question);
  }
}

const noEngine = {
  ok: false,
  failure: failure('lost.worker', 'this worker has no Docker engine that answers'),
} as const;
