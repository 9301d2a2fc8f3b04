/**
 * One pull of one image, for however many attempts wait for it.
 *
 * 1. It goes on as long as somebody waits, and ends with the last who leaves.
 * 2. Bounded: a pull in which nothing moves for `stallMs` is given up.
 * 3. What is told while it runs is few lines, ever further apart: a person reads them, and an attempt's log keeps them.
 */
import { formatBytes, formatDuration } from '@gryphgen/protocol';
import { type Alarms, type Cancel, type Clock, pause } from '@gryphgen/runtime';
import { rejectedBy, statusOf, wordsOf } from '../executors/docker-engine.ts';
import { type PullProblem, pullProblem } from './pull-problem.ts';
import { layerWords, type PullEvent, PullProgress } from './pull-progress.ts';

/** Between lines of progress: doubled after each. */
const firstTellMs = 5000;
const maxTellMs = 300_000;
/** A registry that restarts, or a line that breaks off: tried again after these. The engine tries layers again itself. */
const againAfterMs = [1000, 5000];

export interface PullTools {
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly stallMs: number;
}

export interface PullOrder extends PullTools {
  /** For the words: `registry:5000/app:1`. */
  readonly image: string;
  /** The engine's lines, each time from the beginning; ends when the signal is aborted. */
  readonly begin: (signal: AbortSignal) => AsyncIterable<PullEvent>;
  /** The engine's words without what must not be told. */
  readonly clean: (words: string) => string;
  /** When the disk is full: whether something could be removed. */
  readonly makeRoom: () => Promise<boolean>;
}

/** `words`: the engine's, or ours where it stalled. */
export type PullEnd =
  | { readonly ok: true; readonly summary: string }
  | { readonly ok: false; readonly problem: PullProblem | 'stalled' | 'left'; readonly words: string };

export type Tell = (line: string) => void;

export class ImagePull {
  /** Never rejects. */
  readonly ended: Promise<PullEnd>;
  private readonly order: PullOrder;
  private readonly waiting = new Set<{ readonly tell: Tell }>();
  private readonly left = new AbortController();
  private progress = new PullProgress();
  private readonly begunMono: number;
  private movedMono: number;
  private tellMs = firstTellMs;
  private cancelTell: Cancel = () => undefined;

  constructor(order: PullOrder) {
    this.order = order;
    this.begunMono = order.clock.mono();
    this.movedMono = this.begunMono;
    this.ended = this.run();
    this.tellLater();
  }

  /** Somebody waits. To be called when not any more; true: nobody does now, and it is given up if it still runs. */
  join(tell: Tell): () => boolean {
    const { image } = this.order;
    tell(this.waiting.size === 0 ? `pulling ${image}` : `${image} is being pulled: ${this.progress.words}`);
    const waiter = { tell };
    this.waiting.add(waiter);
    return () => {
      this.waiting.delete(waiter);
      if (this.waiting.size > 0) return false;
      this.left.abort();
      return true;
    };
  }

  private async run(): Promise<PullEnd> {
    let end = await this.once();
    if (!end.ok && end.problem === 'space' && (await this.order.makeRoom())) {
      this.tell('the disk was full: unused images that the grid had pulled are removed, trying again');
      end = await this.once();
    }
    for (const ms of againAfterMs) {
      if (end.ok || end.problem !== 'unreachable') break;
      this.tell(`${end.words}: trying again in ${formatDuration(ms)}`);
      await pause(this.order.alarms, ms, this.left.signal);
      end = await this.once();
    }
    this.cancelTell();
    if (end.ok) this.tell(`pulled ${this.order.image}: ${end.summary}`);
    return end;
  }

  private async once(): Promise<PullEnd> {
    const { clock, begin, clean } = this.order;
    // What the engine does not end in time is left to itself.
    const giveUp = new AbortController();
    const abort = () => giveUp.abort();
    this.left.signal.addEventListener('abort', abort);
    if (this.left.signal.aborted) abort();
    this.progress = new PullProgress();
    this.movedMono = clock.mono();
    const watch = this.watchFor(giveUp);
    try {
      return await Promise.race([this.consume(begin(giveUp.signal)), rejectedBy(giveUp.signal, 'given up')]);
    } catch (error) {
      if (this.left.signal.aborted) return { ok: false, problem: 'left', words: 'nobody waits for it' };
      if (watch.stalled) return { ok: false, problem: 'stalled', words: this.stallWords() };
      return failed(clean(wordsOf(error)), statusOf(error) === null ? 'engine' : undefined);
    } finally {
      watch.cancel();
      this.left.signal.removeEventListener('abort', abort);
    }
  }

  private async consume(events: AsyncIterable<PullEvent>): Promise<PullEnd> {
    for await (const event of events) {
      const { error, problem } = event;
      if (error !== undefined) return failed(this.order.clean(error.trim()), problem);
      if (this.progress.take(event)) this.movedMono = this.order.clock.mono();
    }
    return { ok: true, summary: this.summary() };
  }

  private watchFor(giveUp: AbortController): { readonly stalled: boolean; cancel: Cancel } {
    const { clock, alarms, stallMs } = this.order;
    const watch = { stalled: false, cancel: (): void => undefined };
    const look = (): void => {
      const restMs = this.movedMono + stallMs - clock.mono();
      if (restMs > 0) {
        watch.cancel = alarms.after(restMs, look);
        return;
      }
      watch.stalled = true;
      giveUp.abort();
    };
    look();
    return watch;
  }

  private stallWords(): string {
    const { trouble, words } = this.progress;
    const last = trouble === '' ? '' : `; the engine says: ${trouble}`;
    return `nothing came for ${formatDuration(this.order.stallMs)}, after ${words}${last}`;
  }

  private summary(): string {
    const { layerCount, bytes, digest } = this.progress;
    const took = formatDuration(Math.ceil((this.order.clock.mono() - this.begunMono) / 1000) * 1000);
    const what = layerCount === 0 ? 'nothing new' : `${layerWords(layerCount)}, ${formatBytes(bytes)}`;
    return [`${what} in ${took}`, digest].filter((part) => part !== '').join(', ');
  }

  private tellLater(): void {
    this.cancelTell = this.order.alarms.after(this.tellMs, () => {
      const quietMs = this.order.clock.mono() - this.movedMono;
      const isQuiet = quietMs >= firstTellMs;
      const quiet = isQuiet ? `, nothing for ${formatDuration(Math.floor(quietMs / 1000) * 1000)}` : '';
      this.tell(`${this.order.image}: ${this.progress.words}${quiet}`);
      this.tellMs = Math.min(2 * this.tellMs, maxTellMs);
      this.tellLater();
    });
  }

  private tell(line: string): void {
    for (const waiter of this.waiting) waiter.tell(line);
  }
}

function failed(words: string, problem: PullProblem = pullProblem(words)): PullEnd {
  return { ok: false, problem, words };
}
