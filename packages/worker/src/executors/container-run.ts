/**
 * One attempt as one container, from its creation to its end.
 *
 * 1. No second start: where the container's name is taken, the container is adopted as it is; only one that never ran
 *    is started.
 * 2. A success that is told before the engine knows of it is one: nothing of the attempt runs any more (warm-launcher.ts).
 *    Where it had devices the engine's word is waited for.
 */
import { type Failure, failure, type Read } from '@gryphgen/protocol';
import { pause } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions, ContainerInspectInfo } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import type { Exit } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import type { ImageStore } from '../images/image-store.ts';
import { watchService } from '../services/service-watch.ts';
import { outcomeOf } from './container-facts.ts';
import { writePreface } from './container-labels.ts';
import { type OutputTools, withOutputs } from './container-outputs.ts';
import type { ContainerPlan, Plan } from './container-plan.ts';
import { ContainerStop, type StopTools } from './container-stop.ts';
import { watchUse } from './container-use.ts';
import { type ContainerEnd, watchContainer } from './container-watch.ts';
import {
  createFailure,
  endedFromOutside,
  endedWithEngine,
  engineLost,
  initFailure,
  isFormatEnd,
  isFormatError,
  neverBegan,
  startFailure,
  statusOf,
  stoppedBefore,
  within,
  wordsOf,
} from './docker-engine.ts';
import { type ExecutorEvents, noOutcome } from './executor.ts';
import { LogPreface } from './log-preface.ts';
import { outOfMemory } from './out-of-memory.ts';
import { wholeOutput } from './output-copy.ts';
import { openScratch } from './scratch-volume.ts';
import { LaunchedOutput } from './warm-launcher.ts';
import type { WarmPool } from './warm-pool.ts';
import { type Launched, startWarm } from './warm-start.ts';
import type { Warmth } from './warm-wish.ts';

/** A loss is told only then, so that an engine that is away for seconds costs a task not all its tries (E16). */
const engineAgainMs = 2000;
/** Creating and starting take a second on a busy disk; an engine this slow has hung. */
const engineCallMs = 120_000;
/** What it knows of an end is told at once or not at all. */
const lookMs = 10_000;

export interface RunTools extends StopTools, OutputTools {
  readonly docker: Docker;
  readonly events: ExecutorEvents;
  readonly images: ImageStore;
  readonly warm: WarmPool;
  beginLog(fence: Fence): LogWriter;
  /** The log for output that is told from its first byte again. */
  retellLog(fence: Fence): LogWriter;
}

/** What an earlier life left of an attempt, beside its container. */
export interface Adopted {
  readonly labels: Readonly<Record<string, string>>;
  /** What its log begins with. */
  readonly preface: string;
  readonly launched: Launched | null;
  readonly outcome: Uint8Array;
}

export class ContainerRun {
  readonly fence: Fence;
  /** Resolves when nothing more happens by itself: the output is copied, the end is told. */
  settled: Promise<void> = Promise.resolve();
  container: Container | null = null;
  private readonly tools: RunTools;
  /** Begun with the attempt, so that whoever reads it early waits instead of finding nothing. */
  private log: LogWriter | null = null;
  private preface = new LogPreface();
  private labels: Readonly<Record<string, string>> = {};
  private readonly stopping: ContainerStop;
  /** Null in a container that was made for this attempt. */
  private launched: Launched | null = null;
  /** What is told of it at its end. */
  private outcome: Uint8Array = noOutcome;
  private running = false;

  constructor(fence: Fence, tools: RunTools) {
    this.fence = fence;
    this.tools = tools;
    this.stopping = new ContainerStop(fence, tools);
  }

  /** The container, while what it was made for runs in it. */
  get runningIn(): Container | null {
    return this.running ? this.container : null;
  }

  /** What a command beside it is to have that its container does not give. */
  get env(): Readonly<Record<string, string>> {
    return this.launched?.env ?? {};
  }

  start(plan: Plan): void {
    this.log = this.prefaced(this.tools.beginLog(this.fence));
    this.settled = this.create(plan);
  }

  /** For a container of an earlier life; then `start`, `resume` or `recover`. */
  adopt(container: Container, { labels, preface, launched, outcome }: Adopted): void {
    this.container = container;
    this.labels = labels;
    this.preface = new LogPreface(preface);
    this.launched = launched;
    this.outcome = outcome;
  }

  /**
   * For a container of an earlier life that runs; `signalled` when that life was ending it, and may have told it so;
   * `stopSignal` as the engine has it.
   */
  resume(container: Container, signalled: boolean, stopSignal: string | undefined): void {
    this.running = true;
    if (signalled) this.stopping.hasBegun();
    this.stopping.begin(container, stopSignal || 'SIGTERM');
    this.settled = this.follow(container);
  }

  /** For a container of an earlier life that has ended: its output may not be in the log yet. */
  recover(container: Container): void {
    this.stopping.cease();
    this.settled = this.watch(container).then(() => undefined);
  }

  stop(graceMs: number, why: StopWhy): void {
    this.stopping.stop(graceMs, why);
  }

  private async create(plan: Plan, mayPlanAgain = true): Promise<void> {
    const { docker, notes } = this.tools;
    try {
      await notes.begin();
    } catch (error) {
      return this.fail(failure('lost.worker', `nothing can be noted beside the logs: ${wordsOf(error)}`));
    }
    const planned = await this.planned(plan);
    if (!planned.ok) return this.fail(planned.failure);
    const { spec: told, warmth } = planned.value;
    this.outcome = outcomeOf({ Image: told.Image ?? '', Config: { Labels: told.Labels ?? {} } });
    const stopSignal = told.StopSignal ?? 'SIGTERM';
    if (warmth !== null && this.container === null) {
      if (this.stopping.isAsked) return this.fail(stoppedBefore());
      const warm = await this.warmed(warmth);
      if (warm !== null) return this.ran(warm, stopSignal);
    }
    const spec = { ...told, Labels: { ...told.Labels, ...writePreface(this.preface.text) } };
    this.labels = spec.Labels;
    try {
      this.container = await this.call((abortSignal) => docker.createContainer({ ...spec, abortSignal }));
    } catch (error) {
      // Somebody has removed the image since it was found.
      if (statusOf(error) === 404 && mayPlanAgain) return this.create(plan, false);
      if (statusOf(error) !== 409 || spec.name === undefined) {
        return this.fail(createFailure(error, spec.Image ?? ''));
      }
      const found = docker.getContainer(spec.name);
      this.container = found;
      const known = await this.lookAt(found);
      if ('code' in known) return this.fail(known);
      // By its id and not its name: processes tell that of their container.
      this.container = docker.getContainer(known.Id);
      if (known.State.Status !== 'created') return this.ran(this.container, stopSignal);
    }
    return this.launch(this.container, spec);
  }

  /** Null where it begins cold, which its log says. */
  private async warmed(warmth: Warmth): Promise<Container | null> {
    const claim = { fence: this.fence, preface: this.preface.text, wallMs: this.tools.clock.wall() };
    const begun = await startWarm(warmth, claim, this.tools);
    if ('cold' in begun) {
      this.tell(`begins cold: ${begun.cold}`);
      return null;
    }
    const { container, launched } = begun;
    this.launched = launched;
    this.container = container;
    this.tools.warm.handedOver(launched.nonce);
    return container;
  }

  private async planned(plan: Plan): Promise<Read<ContainerPlan>> {
    if (this.container !== null) return plan(null);
    const { signal } = this.tools;
    const { asked } = this.stopping;
    const stop = () => asked.abort();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      return await plan({ signal: asked.signal, tell: (line) => this.tell(line) });
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  private tell(line: string): void {
    const written = this.preface.add(line);
    if (written !== '') void this.log?.write(Buffer.from(written));
  }

  /** What of it does not come from the container. */
  private prefaced(log: LogWriter): LogWriter {
    if (this.preface.text !== '') void log.write(Buffer.from(this.preface.text));
    return log;
  }

  private async launch(container: Container, spec: ContainerCreateOptions): Promise<void> {
    if (this.stopping.isAsked) return this.fail(stoppedBefore());
    try {
      await openScratch(container, spec, (ask) => this.call(ask));
      await this.call((abortSignal) => container.start({ abortSignal }));
    } catch (error) {
      // 304: it is running already, which is what was wanted.
      const isFormat = isFormatError(wordsOf(error));
      if (statusOf(error) !== 304)
        return this.fail(isFormat ? await this.formatFailure(container) : startFailure(error));
    }
    return this.ran(container, spec.StopSignal ?? 'SIGTERM');
  }

  private async ran(container: Container, stopSignal: string): Promise<void> {
    if (this.tools.signal.aborted) return;
    this.running = true;
    this.tools.events.started(this.fence);
    this.stopping.begin(container, stopSignal);
    await this.follow(container);
  }

  private lookAt(container: Container): Promise<ContainerInspectInfo | Failure> {
    return this.call((abortSignal) => container.inspect({ abortSignal })).catch((error: unknown) =>
      createFailure(error, ''),
    );
  }

  private async follow(container: Container): Promise<void> {
    const { alarms, events } = this.tools;
    const leaveService = watchService(this.fence, container, this.labels, this.tools);
    const used = watchUse(container.id, alarms, (reading) => events.used(this.fence, reading));
    const end = await this.watch(container);
    const usage = used();
    leaveService();
    if (end === undefined) return this.stopping.cease();
    const { exitCode, engineSees } = end;
    // An engine that is busy with the end answers late: of a success there is nothing to ask.
    const seen = exitCode === 0 ? null : await this.lastLook(container);
    const failed =
      end.failure ??
      (end.hasBegun ? null : neverBegan()) ??
      (isFormatEnd(end.exitCode, end.firstOutput) ? await this.formatFailure(container) : null) ??
      initFailure(end.exitCode, end.firstOutput) ??
      (end.outOfMemory || seen?.State.OOMKilled ? outOfMemory(seen?.HostConfig.Memory ?? 0) : null) ??
      (end.interrupted && !this.stopping.signalled && endedFromOutside(end.exitCode)
        ? endedWithEngine()
        : null);
    const { fence, outcome, stopping, tools } = this;
    const ended: Exit = { exitCode, failure: failed, outcome, stopped: stopping.signalled, usage };
    const exit = await withOutputs(ended, fence, container, tools, stopping.asked.signal);
    this.over();
    if (!this.tools.signal.aborted) events.exited(this.fence, exit);
    // Before that it is not removed: the engine would be asked to kill what is ending.
    await engineSees;
  }

  private watch(container: Container): Promise<ContainerEnd | undefined> {
    const { launched } = this;
    const reader = () => (launched === null ? wholeOutput : new LaunchedOutput(launched));
    const log = () => {
      const first = this.log;
      this.log = null;
      return first ?? this.prefaced(this.tools.retellLog(this.fence));
    };
    return watchContainer(container, { log, reader, attached: launched?.output ?? null }, this.tools);
  }

  /** Null when the engine does not say: the exit code stands, only its cause stays unknown. */
  private lastLook(container: Container): Promise<ContainerInspectInfo | null> {
    return within(lookMs, this.tools, (abortSignal) => container.inspect({ abortSignal })).catch(() => null);
  }

  private async formatFailure(container: Container): Promise<Failure> {
    try {
      const { Image } = await this.call((abortSignal) => container.inspect({ abortSignal }));
      return await this.tools.images.formatFailure(Image);
    } catch (error) {
      return engineLost(error);
    }
  }

  private async fail(why: Failure): Promise<void> {
    this.over();
    await this.log?.end();
    if (why.code === 'lost.worker') await pause(this.tools.alarms, engineAgainMs, this.tools.signal);
    if (!this.tools.signal.aborted) this.tools.events.startFailed(this.fence, why);
  }

  private over(): void {
    this.running = false;
    this.stopping.cease();
  }

  private call<T>(ask: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return within(engineCallMs, this.tools, ask);
  }
}
