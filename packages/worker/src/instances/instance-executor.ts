/**
 * Runs instances: a llama-server each, as a process under a keeper of their own, so that a loaded model outlives its worker
 * and nothing of it outlives its end (process-executor.ts).
 *
 * 1. `started` is told when the server's process runs: before, its files are brought. That it is `healthy` is told when it
 *    takes requests; from the request to end on it takes no more.
 * 2. It never ends well by itself: an end that nobody asked for is a failure, with what the server said of it.
 * 3. What is hung is killed with all its group, and fails in words (instance-watch.ts).
 * 4. One that is to compute on devices and does not is ended before it takes a request. Its end is told when the devices have back
 *    what it held, or after a bound: until then its place is nobody else's (device-memory.ts).
 */
import { join } from 'node:path';
import {
  type DeviceShare,
  type Failure,
  failure,
  type ModelEngine,
  type PublishedPort,
} from '@gryphgen/protocol';
import type { Alarms, Clock, KeptDoor, Log, Random } from '@gryphgen/runtime';
import type { Files } from '../artifacts/attempt-files.ts';
import type { StartOrder } from '../core/effects.ts';
import type { Exit } from '../core/events.ts';
import { type Fence, keyOf } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import type { ProgramPaths } from '../engines/engine-environment.ts';
import { divides, type LlamaEngines } from '../engines/llama-engines.ts';
import type { Adoption, Executor, ExecutorEvents } from '../executors/executor.ts';
import { ProcessExecutor, type ProcessExecutorOptions } from '../executors/process-executor.ts';
import { type KeeperPlace, keeperPlace } from '../executors/process-keeper-place.ts';
import type { ProcessOwner } from '../executors/process-owner.ts';
import { type DeviceLooks, untilBack, whyNotThere } from './device-memory.ts';
import { endOf } from './instance-end.ts';
import { apiKeyFile, readInstance, removeSocket, socketPathOf } from './instance-home.ts';
import { planInstance } from './instance-plan.ts';
import { InstanceWatch } from './instance-watch.ts';
import { type InstanceFacts, LocalInstance, type LocalInstances } from './local-instances.ts';
import { OutputTail } from './output-tail.ts';

export interface InstanceExecutorOptions
  extends Pick<ProcessExecutorOptions, 'events' | 'beginLog' | 'resumeLog' | 'home' | 'keeperFile'> {
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  readonly files: Files;
  readonly engines: LlamaEngines;
  readonly paths: ProgramPaths;
  /** Where calls find what is ready. */
  readonly instances: LocalInstances;
  /** By which it is seen what they hold of devices; without, nothing is held against them. */
  readonly looks?: DeviceLooks;
  /** One of which nothing moves for so long is hung; by default some minutes. */
  readonly stillMs?: number;
}

/** One attempt, from its start or adoption until it is forgotten. */
interface Held {
  readonly fence: Fence;
  readonly tail: OutputTail;
  /** What it is and where: known from its preparation on. */
  known: { readonly facts: InstanceFacts; readonly door: KeptDoor } | null;
  instance: LocalInstance | null;
  /** What it was given of devices. */
  shares: readonly DeviceShare[];
  /** An earlier life started it, and saw where it computes. */
  isAdopted: boolean;
  watch: InstanceWatch | null;
  wasReady: boolean;
  /** Why we end it. */
  condemned: Failure | null;
}

/** It publishes none; the same list each time. */
const noPorts: readonly PublishedPort[] = [];

export class InstanceExecutor implements Executor {
  readonly kind = 'instance';
  private readonly options: InstanceExecutorOptions;
  private readonly place: KeeperPlace;
  private readonly processes: ProcessExecutor;
  private readonly held = new Map<string, Held>();
  private readonly clearing = new Set<Promise<void>>();
  private readonly closing = new AbortController();

  constructor(options: InstanceExecutorOptions) {
    const { home, files, engines, paths, random, beginLog, resumeLog } = options;
    this.options = options;
    this.place = keeperPlace(home, 'instance');
    const plan = planInstance({
      ...{ home: this.place.home, files, engines, paths, random },
      onPlanned: (key, facts, apiKey) => {
        const held = this.held.get(key);
        if (held === undefined) return;
        const door = {
          socketPath: this.socketOf(held.fence),
          apiKeyFile: apiKeyFile(this.scratchOf(held.fence)),
        };
        held.known = { facts, door: { ...door, apiKey } };
      },
    });
    this.processes = new ProcessExecutor({
      ...options,
      path: paths.path,
      events: this.eventsOfProcesses(),
      beginLog: (fence) => this.hold(fence).tail.beside(beginLog(fence)),
      resumeLog: async (fence, output) => {
        const { log, position } = await resumeLog(fence, output);
        return { log: this.hold(fence).tail.beside(log), position };
      },
      runs: { kind: this.kind, place: this.place, plan, isKeeperEarly: false, inGroups: false },
    });
  }

  get engines(): readonly ModelEngine[] {
    const { engines } = this.options.engines;
    return engines.map((engine) => {
      const { name, version, backends, hasFlashWord, leastCapability } = engine;
      const found = {
        ...(leastCapability !== undefined && { leastCapability }),
        ...(divides(engine) && { divides: true }),
        ...(hasFlashWord && { options: ['flash-attn'] }),
      };
      return { name, version, backends, ...found };
    });
  }

  get troubles(): readonly string[] {
    return this.options.engines.troubles;
  }

  async probe(): Promise<boolean> {
    const engines = await this.options.engines.look();
    return engines.length > 0 && (await this.processes.probe());
  }

  async adopt(): Promise<Adoption> {
    const adopted = await this.processes.adopt();
    if ('notYet' in adopted) return adopted;
    for (const { fence, facts, found, stopping } of adopted) {
      const held = this.hold(fence);
      held.isAdopted = true;
      held.shares = facts.reservation.devices;
      if (found.phase === 'ended') continue;
      held.known = await readInstance(this.scratchOf(fence), this.socketOf(fence));
      if (held.known === null)
        this.condemn(held, failure('lost.worker', 'what it was is not known any more'));
      else if (stopping === null) this.watch(held);
    }
    return adopted;
  }

  start(order: StartOrder): void {
    this.hold(order.fence).shares = order.devices;
    this.processes.start(order);
  }

  stop(fence: Fence, graceMs: number, why: StopWhy): void {
    const held = this.held.get(keyOf(fence));
    if (held !== undefined) this.unwatch(held);
    this.processes.stop(fence, graceMs, why);
  }

  forget(fence: Fence): void {
    const held = this.held.get(keyOf(fence));
    this.held.delete(keyOf(fence));
    if (held !== undefined) this.unwatch(held);
    this.processes.forget(fence);
    this.clear(this.socketOf(fence));
  }

  ownerOf(pid: number): Promise<ProcessOwner> {
    return this.processes.ownerOf(pid);
  }

  async close(): Promise<void> {
    this.closing.abort();
    for (const held of this.held.values()) this.unwatch(held);
    await this.processes.close();
    await Promise.all(this.clearing);
  }

  private hold(fence: Fence): Held {
    const before = this.held.get(keyOf(fence));
    if (before !== undefined) return before;
    const nothing = {
      known: null,
      shares: [],
      isAdopted: false,
      instance: null,
      watch: null,
      wasReady: false,
      condemned: null,
    };
    const held: Held = { fence, tail: new OutputTail(), ...nothing };
    this.held.set(keyOf(fence), held);
    return held;
  }

  private socketOf(fence: Fence): string {
    return socketPathOf(this.place.home, fence);
  }

  private scratchOf(fence: Fence): string {
    return join(this.place.root, keyOf(fence));
  }

  private eventsOfProcesses(): ExecutorEvents {
    const { events } = this.options;
    return {
      started: (fence) => {
        events.started(fence);
        this.watch(this.hold(fence));
      },
      used: (fence, reading) => events.used(fence, reading),
      served: (fence, service) => events.served(fence, service),
      startFailed: (fence, why) => events.startFailed(fence, why),
      exited: (fence, exit) => {
        const held = this.hold(fence);
        this.unwatch(held);
        this.clear(this.socketOf(fence));
        this.tellEnd(held, endOf(held, exit));
      },
    };
  }

  private watch(held: Held): void {
    const { clock, alarms, log, instances, events, stillMs } = this.options;
    const { fence, known } = held;
    if (known === null || held.watch !== null) return;
    const instance = new LocalInstance(fence, known.facts, known.door, clock);
    held.instance = instance;
    instances.add(instance);
    held.watch = new InstanceWatch(instance, {
      ...{ clock, alarms, stillMs },
      refused: (signal) => this.whyOnHost(held, signal),
      served: (health) => {
        held.wasReady ||= health.state === 'healthy';
        events.served(fence, { ports: noPorts, health });
      },
      condemned: (why) => this.condemn(held, why),
    });
    held.watch.run().catch((error: unknown) => {
      log.error({ err: error, task: fence.task }, 'an instance cannot be watched');
      this.condemn(held, failure('internal.bug', `it cannot be watched: ${String(error)}`));
    });
  }

  private async whyOnHost(
    { fence, known, shares, isAdopted, tail }: Held,
    signal: AbortSignal,
  ): Promise<Failure | null> {
    const { looks, clock, alarms } = this.options;
    if (isAdopted || known?.facts.onHost !== false || shares.length === 0) return null;
    const said = tail.noDevice();
    if (said !== undefined)
      return failure('execution.model', `it found no device, and is not to compute on the host: ${said}`);
    return looks ? whyNotThere({ looks, clock, alarms }, { key: keyOf(fence), shares, signal }) : null;
  }

  /** Its place is free from then on. */
  private tellEnd({ fence, shares }: Held, exit: Exit): void {
    const { looks, clock, alarms, events, log } = this.options;
    if (looks === undefined || shares.length === 0) {
      events.exited(fence, exit);
      return;
    }
    const { signal } = this.closing;
    const told = untilBack({ looks, clock, alarms }, { key: keyOf(fence), before: looks.seen, signal })
      .catch((error: unknown) => `whether its memory came back cannot be seen: ${String(error)}`)
      .then((lacking) => {
        if (lacking !== '') log.warn({ task: fence.task, why: lacking }, 'an instance left memory behind');
        const why = exit.failure;
        const words = lacking === '' || why === null ? why : failure(why.code, `${why.message}; ${lacking}`);
        events.exited(fence, { ...exit, failure: words });
      })
      .finally(() => this.clearing.delete(told));
    this.clearing.add(told);
  }

  /** It takes no more requests. */
  private unwatch(held: Held): void {
    held.watch?.stop();
    if (held.instance === null) return;
    held.instance.lose();
    this.options.instances.remove(held.fence);
  }

  private condemn(held: Held, why: Failure): void {
    held.condemned ??= why;
    this.stop(held.fence, 0, 'unhealthy');
  }

  private clear(socketPath: string): void {
    const cleared = removeSocket(socketPath)
      .catch((error: unknown) =>
        this.options.log.warn({ err: error, socketPath }, "an instance's socket cannot be removed"),
      )
      .finally(() => this.clearing.delete(cleared));
    this.clearing.add(cleared);
  }
}
