/**
 * One image on its way from who pushes it to the engine.
 *
 * 1. It is taken as fast as the engine takes it, and no faster; what is held is what one stream holds.
 * 2. Every way to end but the good one leaves no image: the archive is cut before its manifest (image-intake.ts); what
 *    the engine has loaded by the time the sender is gone is removed.
 * 3. Bounded: a sender that sends nothing for `stallMs` is given up, an engine that takes nothing for `engineStallMs`, or
 *    has not loaded it after `loadMs`.
 */
import { PassThrough } from 'node:stream';
import { type Failure, failure, type ImageOrder } from '@gryphgen/protocol';
import type { Alarms, Cancel, Duplex, DuplexOutput, Log, TransferEnd } from '@gryphgen/runtime';
import { engineLost, statusOf, wordsOf } from '../executors/docker-engine.ts';
import type { EngineImages, PresentImage } from './engine-images.ts';
import { ImageIntake } from './image-intake.ts';
import { pullProblem } from './pull-problem.ts';

/** Slow lines send less, never nothing. */
const stallMs = 60_000;
/** From the last byte: it unpacks everything only then. */
const loadMs = 30 * 60_000;
/** An engine on the slowest disk takes something. */
const engineStallMs = 5 * 60_000;
const heldBytes = 256 * 1024;

export interface PushedImageOptions {
  readonly engine: EngineImages;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly order: ImageOrder;
  readonly principal: string;
  readonly signal: AbortSignal;
  /** Of this machine: `linux/amd64` */
  readonly platform: string;
  /** The engine has it already, and keeps it. */
  readonly wasHere: boolean;
  /** Notes it before the engine can have it; returns how to take that back. */
  expect(): () => void;
  /** It is here: gives it its names. */
  name(image: PresentImage): Promise<TransferEnd>;
}

export class PushedImage implements Duplex {
  readonly output: AsyncIterable<DuplexOutput> = nothing();
  readonly ended: Promise<TransferEnd>;
  /** When the engine is done with it, too. Never rejects. */
  readonly gone: Promise<void>;
  private readonly options: PushedImageOptions;
  private readonly intake: ImageIntake;
  private readonly archive = new PassThrough({ highWaterMark: heldBytes });
  private readonly giveUp = new AbortController();
  /** Why nothing more is taken. */
  private why: Failure | null = null;
  private isWhole = false;
  private forget: () => void = () => undefined;
  private cancelStall: Cancel = () => undefined;
  private tellEnd: (end: TransferEnd) => void = () => undefined;

  constructor(options: PushedImageOptions) {
    const { engine, order, platform, signal } = options;
    this.options = options;
    this.intake = new ImageIntake(order, platform, (bytes) => this.put(bytes));
    this.ended = new Promise((resolve) => {
      this.tellEnd = resolve;
    });
    // Told by the load, which it ends.
    this.archive.on('error', () => undefined);
    this.gone = engine.load(this.archive, this.giveUp.signal).then(
      (id) => this.loaded(id),
      (error: unknown) => this.notLoaded(error),
    );
    const left = (): void => this.fail(failure('cancelled.user', 'the image was not sent to its end'));
    signal.addEventListener('abort', left, { once: true });
    void this.ended.then(() => signal.removeEventListener('abort', left));
    if (signal.aborted) left();
    else this.expectMore();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.cancelStall();
    if (this.why !== null || this.isWhole) return;
    const why = await this.intake.take(bytes);
    if (why !== null) this.fail(why);
    else this.expectMore();
  }

  endInput(): void {
    this.cancelStall();
    if (this.why === null && !this.isWhole) void this.finish();
  }

  resize(): void {}

  private async finish(): Promise<void> {
    // Nothing may cut it from here on: the engine would load it all the same, and nobody would know.
    this.isWhole = true;
    if (!this.options.wasHere) this.forget = this.options.expect();
    const why = await this.intake.end();
    if (why !== null) {
      this.isWhole = false;
      this.forget();
      this.fail(why);
      return;
    }
    this.archive.end();
    this.cancelStall = this.options.alarms.after(loadMs, () => {
      this.fail(engineHangs('does not come to an end with the image'));
      this.giveUp.abort();
    });
  }

  private async put(bytes: Uint8Array): Promise<void> {
    if (this.archive.destroyed || this.archive.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const hangs = (): void => this.fail(engineHangs('takes no more of the image'));
      const cancel = this.options.alarms.after(engineStallMs, hangs);
      const done = (): void => {
        cancel();
        this.archive.off('drain', done).off('close', done);
        resolve();
      };
      this.archive.on('drain', done).on('close', done);
    });
  }

  private expectMore(): void {
    const words = `nothing came of the image for ${stallMs / 1000} s`;
    this.cancelStall();
    if (this.why === null)
      this.cancelStall = this.options.alarms.after(stallMs, () => this.fail(failure('lost.link', words)));
  }

  private fail(why: Failure): void {
    if (this.why !== null) return;
    this.why = why;
    const { log, order, principal } = this.options;
    log.info(
      { image: order.names, id: order.id, principal, why: why.message },
      'a pushed image was not taken',
    );
    // What the engine has whole it loads, however long that takes: nobody waits for it to be removed again.
    if (this.isWhole) this.tellEnd({ failure: why });
    else {
      this.cancelStall();
      this.giveUp.abort();
      this.archive.destroy(new Error('the image was not sent to its end'));
    }
  }

  private notLoaded(error: unknown): void {
    this.cancelStall();
    if (this.isWhole) this.forget();
    this.fail(this.why ?? loadFailure(error));
    this.tellEnd({ failure: this.why });
  }

  private async loaded(id: string): Promise<void> {
    this.cancelStall();
    const { engine, name } = this.options;
    try {
      const image = await engine.inspect(id);
      if (image === null) throw new Error('it was loaded, and is gone again');
      // An engine that keeps images as registries do calls them by another digest; their layers are what was checked.
      const isSame = image.id === this.options.order.id || `${image.layers}` === `${this.intake.layers}`;
      if (this.why === null && isSame) {
        const end = await name(image);
        if (end.failure !== null) await this.discard(image.id);
        this.tellEnd(end);
        return;
      }
      await this.discard(image.id);
      this.fail(failure('internal.bug', `the engine has loaded ${image.id}, which is not what it was given`));
    } catch (error) {
      this.fail(engineLost(error));
    }
    this.tellEnd({ failure: this.why });
  }

  /** Only what nothing else has given a name. */
  private async discard(id: string): Promise<void> {
    const { engine, log, wasHere } = this.options;
    if (wasHere) return;
    try {
      const image = await engine.inspect(id);
      if (image !== null && image.tags.length + image.digests.length > 0) return;
      if (image !== null) await engine.remove(id);
      this.forget();
    } catch (error) {
      log.warn({ id, why: wordsOf(error) }, 'what was left of a pushed image is not removed yet');
    }
  }
}

async function* nothing(): AsyncGenerator<DuplexOutput> {}

function engineHangs(words: string): Failure {
  return failure('lost.worker', `the Docker engine of this worker ${words}`);
}

function loadFailure(error: unknown): Failure {
  const words = wordsOf(error);
  if (pullProblem(words) === 'space')
    return failure('lost.worker', `this worker's disk has no room for the image: ${words}`);
  if (statusOf(error) === null && error instanceof Error && 'code' in error) return engineLost(error);
  return failure('execution.image', `the engine of this worker does not take the image: ${words}`);
}
