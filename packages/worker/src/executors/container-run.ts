/**
 * One attempt as one container, from its creation to its end.
 *
 * 1. No second start: where the container's name is taken, the container is adopted as it is; only one that never ran
 *    is started.
 * 2. A stop that comes before the start has happened is kept and acted on as soon as there is something to stop.
 * 3. No signal is sent before it is noted what for.
 */
import { type Failure, failure, type Read } from '@gryphgen/protocol';
import type { Cancel } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions, ContainerInspectInfo } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import type { Exit } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import type { ImageStore, ImageWait } from '../images/image-store.ts';
import { pause } from '../pause.ts';
import { watchService } from '../services/service-watch.ts';
import { outcomeOf } from './container-facts.ts';
import { readPreface, writePreface } from './container-labels.ts';
import type { ContainerNotes } from './container-notes.ts';
import { type ContainerEnd, type WatchTools, watchContainer } from './container-watch.ts';
import {
  createFailure,
  endedFromOutside,
  endedWithEngine,
  engineLost,
  initFailure,
  isFormatEnd,
  isFormatError,
  outOfMemory,
  startFailure,
  statusOf,
  within,
  wordsOf,
} from './docker-engine.ts';
import { type ExecutorEvents, noOutcome } from './executor.ts';
import { LogPreface } from './log-preface.ts';
import { openScratch } from './scratch-volume.ts';

/** A kill that did not reach the engine is tried again; a loss is told, so that seconds cost a task not all its tries (E16). */
const engineAgainMs = 2000;
const signalMs = 10_000;
/** Creating and starting take a second on a busy disk; an engine this slow has hung. */
const engineCallMs = 120_000;

export interface RunTools extends WatchTools {
  readonly docker: Docker;
  readonly events: ExecutorEvents;
  readonly notes: ContainerNotes;
  readonly images: ImageStore;
  beginLog(fence: Fence): LogWriter;
  /** The log for output that is told from its first byte again. */
  retellLog(fence: Fence): LogWriter;
}

/**
 * What is to be created. It may take as long as its image does; `wait` is null where the container is there already, and
 * its image with it.
 */
export type Plan = (wait: ImageWait | null) => Promise<Read<ContainerCreateOptions>>;

type Labels = Readonly<Record<string, string>>;

export class ContainerRun {
  readonly fence: Fence;
  /** Resolves when nothing more happens by itself: the output is copied, the end is told. */
  settled: Promise<void> = Promise.resolve();
  container: Container | null = null;
  private readonly tools: RunTools;
  /** Begun with the attempt, so that whoever reads it early waits instead of finding nothing. */
  private log: LogWriter | null = null;
  private preface = new LogPreface();
  private labels: Labels = {};
  /** Aborted by a stop: what comes before the container need not be waited for. */
  private readonly stopped = new AbortController();
  private running = false;
  private ended = false;
  private signalled = false;
  private killByMono = Number.POSITIVE_INFINITY;
  private stopWhy: StopWhy = 'cancel';
  private stopSignal = 'SIGTERM';
  /** Until then no signal is sent. */
  private noted: Promise<void> | null = null;
  private cancelKill: Cancel = () => undefined;

  constructor(fence: Fence, tools: RunTools) {
    this.fence = fence;
    this.tools = tools;
  }

  /** The container, while what it was made for runs in it. */
  get runningIn(): Container | null {
    return this.running ? this.container : null;
  }

  start(plan: Plan): void {
    this.log = this.prefaced(this.tools.beginLog(this.fence));
    this.settled = this.create(plan);
  }

  /** For a container of an earlier life, with its labels; then `start`, `resume` or `recover`. */
  adopt(container: Container, labels: Labels): void {
    this.container = container;
    this.labels = labels;
    this.preface = new LogPreface(readPreface(labels));
  }

  /**
   * For a container of an earlier life that runs; `signalled` when that life was ending it, and may have told it so;
   * `stopSignal` as the engine has it.
   */
  resume(container: Container, signalled: boolean, stopSignal: string | undefined): void {
    this.stopSignal = stopSignal || 'SIGTERM';
    this.running = true;
    this.signalled = signalled;
    if (signalled) this.noted = Promise.resolve();
    this.settled = this.follow(container);
  }

  /** For a container of an earlier life that has ended: its output may not be in the log yet. */
  recover(container: Container): void {
    this.ended = true;
    this.settled = this.watch(container).then(() => undefined);
  }

  stop(graceMs: number, why: StopWhy): void {
    const killByMono = this.tools.clock.mono() + graceMs;
    if (this.ended || killByMono >= this.killByMono) return;
    const first = this.killByMono === Number.POSITIVE_INFINITY;
    this.killByMono = killByMono;
    if (first) this.stopWhy = why;
    this.stopped.abort();
    if (this.running) this.end(first);
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
    const spec = {
      ...planned.value,
      Labels: { ...planned.value.Labels, ...writePreface(this.preface.text) },
    };
    this.labels = spec.Labels;
    this.stopSignal = spec.StopSignal ?? 'SIGTERM';
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
      if (known.State.Status !== 'created') return this.ran(this.container);
    }
    return this.launch(this.container, spec);
  }

  private async planned(plan: Plan): Promise<Read<ContainerCreateOptions>> {
    if (this.container !== null) return plan(null);
    const { signal } = this.tools;
    const stop = () => this.stopped.abort();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      return await plan({ signal: this.stopped.signal, tell: (line) => this.tell(line) });
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
    if (this.killByMono < Number.POSITIVE_INFINITY) {
      return this.fail(failure('cancelled.user', 'stopped before its container was started'));
    }
    try {
      await openScratch(container, spec, (ask) => this.call(ask));
      await this.call((abortSignal) => container.start({ abortSignal }));
    } catch (error) {
      // 304: it is running already, which is what was wanted.
      if (statusOf(error) !== 304) {
        return this.fail(
          isFormatError(wordsOf(error)) ? await this.formatFailure(container) : startFailure(error),
        );
      }
    }
    return this.ran(container);
  }

  private async ran(container: Container): Promise<void> {
    if (this.tools.signal.aborted) return;
    this.running = true;
    this.tools.events.started(this.fence);
    if (this.killByMono < Number.POSITIVE_INFINITY) this.end(true);
    await this.follow(container);
  }

  private lookAt(container: Container): Promise<ContainerInspectInfo | Failure> {
    return this.call((abortSignal) => container.inspect({ abortSignal })).catch((error: unknown) =>
      createFailure(error, ''),
    );
  }

  private async follow(container: Container): Promise<void> {
    const leaveService = watchService(this.fence, container, this.labels, this.tools);
    const end = await this.watch(container);
    leaveService();
    if (end === undefined) return this.cancelKill();
    const { exitCode } = end;
    const seen = await this.lastLook(container);
    const oom = exitCode !== 0 && seen?.State.OOMKilled;
    const failed =
      end.failure ??
      (isFormatEnd(end.exitCode, end.firstOutput) ? await this.formatFailure(container) : null) ??
      initFailure(end.exitCode, end.firstOutput) ??
      (oom ? outOfMemory(seen.HostConfig.Memory ?? 0) : null) ??
      (end.interrupted && !this.signalled && endedFromOutside(end.exitCode) ? endedWithEngine() : null);
    const outcome = seen === null ? noOutcome : outcomeOf(seen);
    this.over();
    const exit: Exit = { exitCode, failure: failed, outcome, stopped: this.signalled };
    if (!this.tools.signal.aborted) this.tools.events.exited(this.fence, exit);
  }

  private watch(container: Container): Promise<ContainerEnd | undefined> {
    const tellLog = () => {
      const first = this.log;
      this.log = null;
      return first ?? this.prefaced(this.tools.retellLog(this.fence));
    };
    return watchContainer(container, tellLog, this.tools);
  }

  /** Null when the engine does not say: the exit code stands, only its cause and its image stay unknown. */
  private lastLook(container: Container): Promise<ContainerInspectInfo | null> {
    return within(signalMs, this.tools, (abortSignal) => container.inspect({ abortSignal })).catch(
      () => null,
    );
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
    this.ended = true;
    this.running = false;
    this.cancelKill();
  }

  private end(polite: boolean): void {
    this.cancelKill();
    this.cancelKill = this.tools.alarms.after(Math.max(0, this.killByMono - this.tools.clock.mono()), () =>
      this.kill(),
    );
    if (polite) void this.signal(this.stopSignal);
  }

  /** One at a time: an engine that has fallen silent is not asked ever more. */
  private kill(): void {
    void this.signal('SIGKILL').then(() => {
      const isOver = this.ended || this.tools.signal.aborted;
      if (!isOver) this.cancelKill = this.tools.alarms.after(engineAgainMs, () => this.kill());
    });
  }

  private async signal(signal: string): Promise<void> {
    const { container, tools, fence, stopWhy: why } = this;
    if (container === null) return;
    this.noted ??= tools.notes.noteStop(fence, { why, wallMs: tools.clock.wall() });
    await this.noted;
    if (this.ended) return;
    try {
      await within(signalMs, tools, (abortSignal) => container.kill({ signal, abortSignal }));
      this.signalled = true;
    } catch {
      // 404, 409: it has ended by itself. No answer: the kill, which is repeated, is what counts.
    }
  }

  private call<T>(ask: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    return within(engineCallMs, this.tools, ask);
  }
}
