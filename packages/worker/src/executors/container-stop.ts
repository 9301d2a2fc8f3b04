/**
 * How one container is ended: asked first, killed when its grace is over.
 *
 * 1. A stop that comes before there is something to stop is kept, and acted on as soon as there is.
 * 2. No signal is sent before it is noted what for.
 * 3. What is killed gets as much CPU as there is: many processes with a hundredth of one would take minutes to die.
 */
import type { Cancel } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import type { Fence } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import type { ContainerNotes } from './container-notes.ts';
import type { WatchTools } from './container-watch.ts';
import { within } from './docker-engine.ts';

/** A kill that did not reach the engine is tried again. */
const killAgainMs = 2000;
const signalMs = 10_000;

export interface StopTools extends WatchTools {
  readonly notes: ContainerNotes;
}

export class ContainerStop {
  /** Aborted by the first stop: what comes before the container need not be waited for. */
  readonly asked = new AbortController();
  /** A signal of ours has reached the container. */
  signalled = false;
  private readonly fence: Fence;
  private readonly tools: StopTools;
  private container: Container | null = null;
  private stopSignal = 'SIGTERM';
  private over = false;
  private killByMono = Number.POSITIVE_INFINITY;
  private why: StopWhy = 'cancel';
  /** Until then no signal is sent. */
  private noted: Promise<void> | null = null;
  private cancelKill: Cancel = () => undefined;

  constructor(fence: Fence, tools: StopTools) {
    this.fence = fence;
    this.tools = tools;
  }

  get isAsked(): boolean {
    return this.killByMono < Number.POSITIVE_INFINITY;
  }

  stop(graceMs: number, why: StopWhy): void {
    const killByMono = this.tools.clock.mono() + graceMs;
    if (this.over || killByMono >= this.killByMono) return;
    const first = !this.isAsked;
    this.killByMono = killByMono;
    if (first) this.why = why;
    this.asked.abort();
    if (this.container !== null) this.end(first);
  }

  /** It runs: from now on there is something to stop. */
  begin(container: Container, stopSignal: string): void {
    this.container = container;
    this.stopSignal = stopSignal;
    if (this.isAsked) this.end(true);
  }

  /** An earlier life was ending it, has noted why, and may have told it so. */
  hasBegun(): void {
    this.signalled = true;
    this.noted = Promise.resolve();
  }

  /** There is nothing to stop any more. */
  cease(): void {
    this.over = true;
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
      const isOver = this.over || this.tools.signal.aborted;
      if (!isOver) this.cancelKill = this.tools.alarms.after(killAgainMs, () => this.kill());
    });
  }

  private async signal(signal: string): Promise<void> {
    const { container, tools, fence, why } = this;
    if (container === null) return;
    this.noted ??= tools.notes.noteStop(fence, { why, wallMs: tools.clock.wall() });
    await this.noted;
    if (this.over) return;
    try {
      await within(signalMs, tools, (abortSignal) => container.kill({ signal, abortSignal }));
      this.signalled = true;
      if (signal === 'SIGKILL')
        await within(signalMs, tools, (abortSignal) => container.update({ CpuQuota: -1, abortSignal }));
    } catch {
      // 404, 409: it has ended by itself, or of the kill. No answer: the kill, which is repeated, is what counts.
    }
  }
}
