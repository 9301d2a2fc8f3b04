/**
 * Looks at one instance for as long as it runs: until it is ready, and then whether what it is asked goes on.
 *
 * 1. A server that is hung answers that it is well (`/health` needs nothing but a thread), so it is judged by progress: a
 *    byte of an answer, or a step of computing that its own counter tells. With nothing under way it has to answer. Who
 *    asked and takes no more of an answer is no fault of it. Of slots that are taken (E42) it tells itself whether it is asked anything.
 * 2. It is asked no oftener than once in a quarter of `stillMs`: questions hold up its noticing of who has left.
 */
import { type Failure, failure, formatDuration, type Health } from '@gryphgen/protocol';
import { type Alarms, type Clock, pause } from '@gryphgen/runtime';
import type { LocalInstance } from './local-instances.ts';
import { lookAt, readCounters } from './server-counters.ts';

/** Hundreds of GiB from a slow disk; what takes longer will not serve anybody. */
const loadMs = 60 * 60_000;
const firstLookMs = 50;
const loadLookMs = 1000;
const answerMs = 10_000;

/** A host may compute for minutes on one batch of a large model's prompt. */
const usualStillMs = { device: 120_000, host: 600_000 };

export interface InstanceWatchOptions {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Default: some minutes, by where it computes. */
  readonly stillMs?: number | undefined;
  /** Once it answers, and before it takes requests: why it may not. */
  readonly refused?: (signal: AbortSignal) => Promise<Failure | null>;
  /** When it changes. */
  readonly served: (health: Health) => void;
  /** It is to be ended, for this. */
  readonly condemned: (why: Failure) => void;
}

export class InstanceWatch {
  private readonly instance: LocalInstance;
  private readonly options: InstanceWatchOptions;
  private readonly over = new AbortController();
  private readonly stillMs: number;
  private decodes: number | undefined;

  constructor(instance: LocalInstance, options: InstanceWatchOptions) {
    const { device, host } = usualStillMs;
    this.instance = instance;
    this.options = options;
    this.stillMs = options.stillMs ?? (instance.facts.onHost ? host : device);
  }

  stop(): void {
    this.over.abort();
  }

  async run(): Promise<void> {
    const { condemned } = this.options;
    const why = (await this.load()) ?? (await this.serve());
    if (why !== null && !this.over.signal.aborted) condemned(why);
  }

  private async load(): Promise<Failure | null> {
    const { clock, alarms, served } = this.options;
    const { signal } = this.over;
    const beganMono = clock.mono();
    for (let waitMs = firstLookMs; !signal.aborted; waitMs = Math.min(2 * waitMs, loadLookMs)) {
      if ((await this.text('/health', answerMs)) !== null) {
        const why = await this.options.refused?.(signal);
        if (signal.aborted || why) return why ?? null;
        this.instance.isReady = true;
        served({ state: 'healthy', words: '' });
        return null;
      }
      // Of one that an earlier life of the worker loaded it is not told.
      if (waitMs === firstLookMs) served({ state: 'starting', words: '' });
      if (clock.mono() - beganMono > loadMs)
        return failure('execution.model', `it was not ready after ${formatDuration(loadMs)}`);
      await pause(alarms, waitMs, signal);
    }
    return null;
  }

  private async serve(): Promise<Failure | null> {
    const { clock, alarms } = this.options;
    const { stillMs } = this;
    const { signal } = this.over;
    const lookMs = stillMs / 4;
    let wellMono = clock.mono();
    while (!signal.aborted) {
      await pause(alarms, lookMs, signal);
      if (await this.goesOn(wellMono, lookMs)) wellMono = clock.mono();
      else if (clock.mono() - wellMono >= stillMs) return this.hung();
    }
    return null;
  }

  private async goesOn(sinceMono: number, limitMs: number): Promise<boolean> {
    const { instance } = this;
    if (instance.computing > 0 && instance.movedMono > sinceMono) return true;
    const { computing, taken } = instance;
    if (computing === 0 && taken === 0) return (await this.text('/health', limitMs)) !== null;
    const counters = readCounters((await this.text('/metrics', limitMs)) ?? '');
    // What is asked straight it tells itself.
    if (computing === 0 && counters?.requests === 0) return true;
    instance.counters = counters ?? instance.counters;
    const decodes = counters?.decodes ?? this.decodes;
    const isMore = decodes !== this.decodes;
    this.decodes = decodes;
    return isMore;
  }

  private hung(): Failure {
    const { computing, taken } = this.instance;
    const most = computing + taken;
    const lasted = formatDuration(this.stillMs);
    return failure(
      'execution.model',
      most === 0
        ? `llama-server did not answer for ${lasted}`
        : `no token moved for ${lasted} with ${most} request${most === 1 ? '' : 's'} under way`,
    );
  }

  private text(path: '/health' | '/metrics', limitMs: number): Promise<string | null> {
    const { alarms } = this.options;
    return lookAt(this.instance.door, { path, limitMs, alarms, signal: this.over.signal });
  }
}
