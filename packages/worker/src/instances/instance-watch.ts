/**
 * Looks at one instance for as long as it runs: until it is ready, and then whether what it is asked goes on.
 *
 * 1. A server that is hung answers that it is well (`/health` needs nothing but a thread), so it is judged by progress: a
 *    byte of an answer, or a step of computing that its own counter tells. With nothing under way it has to answer. Who
 *    asked and takes no more of an answer is no fault of it.
 * 2. It is asked no oftener than once in a quarter of `stillMs`: questions hold up its noticing of who has left.
 */
import { type Failure, failure, formatDuration, type Health } from '@gryphgen/protocol';
import { type Alarms, askLlama, type Clock, pause } from '@gryphgen/runtime';
import type { LocalInstance } from './local-instances.ts';

/** Hundreds of GiB from a slow disk; what takes longer will not serve anybody. */
const loadMs = 60 * 60_000;
const firstLookMs = 50;
const loadLookMs = 1000;
const answerMs = 10_000;
/** Where its counter is; the rest of the answer is some KiB. */
const counter = /^llamacpp:n_decode_total ([0-9.e+]+)$/m;
const metricsChars = 64 * 1024;

/** A host may compute for minutes on one batch of a large model's prompt. */
const usualStillMs = { device: 120_000, host: 600_000 };

export interface InstanceWatchOptions {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Default: some minutes, by where it computes. */
  readonly stillMs?: number | undefined;
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
  private decoded = '';

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
        if (signal.aborted) return null;
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
    if (instance.computing === 0) return (await this.text('/health', limitMs)) !== null;
    const decoded = counter.exec((await this.text('/metrics', limitMs)) ?? '')?.[1] ?? this.decoded;
    const isMore = decoded !== this.decoded;
    this.decoded = decoded;
    return isMore;
  }

  private hung(): Failure {
    const { computing } = this.instance;
    const lasted = formatDuration(this.stillMs);
    return failure(
      'execution.model',
      computing === 0
        ? `llama-server did not answer for ${lasted}`
        : `no token moved for ${lasted} with ${computing} request${computing === 1 ? '' : 's'} under way`,
    );
  }

  /** What it answers with status 200, else null. */
  private async text(path: string, limitMs: number): Promise<string | null> {
    const limit = new AbortController();
    const cancel = this.options.alarms.after(limitMs, () => limit.abort());
    const signal = AbortSignal.any([this.over.signal, limit.signal]);
    try {
      const answer = await askLlama(this.instance.door, { path, signal });
      let text = '';
      await answer.read((piece) => {
        text += Buffer.from(piece).toString('latin1');
        return text.length < metricsChars;
      });
      return answer.status === 200 ? text : null;
    } catch {
      return null; // not yet, not any more, or not in time: the caller's to judge
    } finally {
      cancel();
    }
  }
}
