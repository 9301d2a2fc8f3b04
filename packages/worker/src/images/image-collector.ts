/**
 * Keeps the images that the grid has brought within their share of the disk.
 *
 * 1. What the grid has not brought is never removed, nor what a container is made of: the engine refuses that, and is
 *    never told to insist.
 * 2. What has been used within `restMs` stays: an attempt may be about to create its container.
 * 3. One collection at a time.
 */
import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { formatBytes } from '@gryphgen/protocol';
import type { Clock, Log } from '@gryphgen/runtime';
import { statusOf, wordsOf } from '../executors/docker-engine.ts';
import type { EngineImages, PresentImage } from './engine-images.ts';
import { imagesToRemove } from './image-budget.ts';
import type { ImageNotes } from './image-notes.ts';
import { parseReference } from './image-reference.ts';

/** Of the disk the engine keeps its images on, where no budget is set. */
const defaultShare = 0.2;
/** Between looks that no pull asks for. */
const lookMs = 600_000;

export interface CollectorOptions {
  readonly engine: EngineImages;
  readonly notes: ImageNotes;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted when the worker stops. */
  readonly signal: AbortSignal;
  /** Undefined: a fifth of the disk. */
  readonly budgetBytes: number | undefined;
  /** Longer than it takes from finding an image to creating a container of it. */
  readonly restMs: number;
  /** Measured where the engine does not tell its folder, or it is on another machine. */
  readonly home: string;
}

export class ImageCollector {
  private readonly options: CollectorOptions;
  private budget: number | undefined;
  private last: Promise<unknown> = Promise.resolve();
  private lookedMono = Number.NEGATIVE_INFINITY;

  constructor(options: CollectorOptions) {
    this.options = options;
    this.budget = options.budgetBytes;
  }

  /** Now and then, by whoever comes by. Never rejects. */
  async look(): Promise<void> {
    if (this.options.clock.mono() - this.lookedMono >= lookMs) await this.collect();
  }

  /** Never rejects. Resolves with how many it has removed. */
  async collect(budgetBytes?: number): Promise<number> {
    try {
      return (await this.inTurn(async () => this.removeSurplus(budgetBytes ?? (await this.ownBudget()))))
        .removed;
    } catch (error) {
      if (!this.options.signal.aborted)
        this.options.log.warn({ why: wordsOf(error) }, 'the images cannot be looked through');
      return 0;
    }
  }

  /** Removes what may go, if need be. Null when so much more is within the budget then, and on the disk; else why not. */
  async makeRoom(bytes: number): Promise<string | null> {
    const { budgetBytes, left } = await this.inTurn(async () => {
      const budgetBytes = await this.ownBudget();
      const isHopeless = bytes > budgetBytes;
      return { budgetBytes, left: isHopeless ? 0 : (await this.removeSurplus(budgetBytes - bytes)).left };
    });
    if (left + bytes > budgetBytes) {
      const held = left === 0 ? '' : `, of which ${formatBytes(left)} are in use`;
      return `it takes ${formatBytes(bytes)}; the images of the grid may take ${formatBytes(budgetBytes)} here${held}`;
    }
    const { bavail, bsize } = await this.disk();
    // The engine unpacks an archive before it takes the layers out of it.
    const needed = 2 * bytes;
    return bavail * bsize >= needed
      ? null
      : `loading it takes ${formatBytes(needed)} of the disk, ${formatBytes(bavail * bsize)} are free`;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.lookedMono = this.options.clock.mono();
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.last;
  }

  /** `left`: what the grid's images take then. */
  private async removeSurplus(
    budgetBytes: number,
  ): Promise<{ readonly removed: number; readonly left: number }> {
    const { engine, notes, clock, restMs } = this.options;
    await notes.load();
    if (notes.images.size === 0) return { removed: 0, left: 0 };
    const [listed, inUse] = await Promise.all([engine.list(), engine.inUse()]);
    const present = new Map(listed.map((image) => [image.id, image]));
    for (const id of notes.images.keys()) if (!present.has(id)) notes.forget(id);
    const images = [...notes.images].map(([id, { names, usedMs }]) => {
      const image = present.get(id);
      const isTheirs = image !== undefined && hasOtherNames(image, names);
      const isFresh = clock.wall() - usedMs < restMs;
      return { id, bytes: image?.bytes ?? 0, usedMs, mustStay: isTheirs || isFresh || inUse.has(id) };
    });
    let removed = 0;
    let left = images.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { id, bytes } of imagesToRemove(images, budgetBytes)) {
      const image = present.get(id);
      if (image === undefined || !(await this.remove(id, [...image.tags, ...image.digests]))) continue;
      const names = notes.images.get(id)?.names;
      this.options.log.info(
        { image: names, bytes, budgetBytes },
        'removed an image to stay within the budget',
      );
      notes.forget(id);
      removed += 1;
      left -= bytes;
    }
    return { removed, left };
  }

  /** False when it stays: somebody began to use it meanwhile. */
  private async remove(id: string, names: readonly string[]): Promise<boolean> {
    const { engine, log } = this.options;
    try {
      for (const name of names.length === 0 ? [id] : names) {
        // With the last name the image goes, and with it what is left of its names.
        await engine.remove(name).catch((error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        });
      }
      return true;
    } catch (error) {
      log.info({ image: names, why: wordsOf(error) }, 'an image is not removed');
      return false;
    }
  }

  private async ownBudget(): Promise<number> {
    if (this.budget === undefined) {
      const disk = await this.disk();
      this.budget = Math.floor(disk.blocks * disk.bsize * defaultShare);
    }
    return this.budget;
  }

  private async disk(): Promise<StatsFs> {
    const { engine, home } = this.options;
    return await statfs(await engine.rootFolder()).catch(() => statfs(home));
  }
}

/** A name that we have not given is the owner's, who wants the image too. (A pull by tag gives a name by digest as well.) */
function hasOtherNames(
  { tags, digests }: Pick<PresentImage, 'tags' | 'digests'>,
  ours: readonly string[],
): boolean {
  const repositories = new Set(ours.map((name) => parseReference(name).name));
  return (
    tags.some((tag) => !ours.includes(tag)) ||
    digests.some((digest) => !repositories.has(parseReference(digest).name))
  );
}
