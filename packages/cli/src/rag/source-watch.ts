/**
 * Says when sources of this machine may have changed.
 *
 * 1. The system tells of changes in folders, which only makes this look sooner: what it finds by looking (names, sizes and times
 *    of all files, the commit of a revision) decides. So a change that nobody told of is found too, by the next look.
 * 2. Folders that are watched are bounded, and so is the wait for quiet.
 */
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '@gryphgen/protocol';
import { isMissing } from '@gryphgen/runtime';
import { passedOver } from './bring-source.ts';
import { commitOf } from './git-revision.ts';
import { type SourcePlace, sourceName } from './source-place.ts';

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Between two looks when nothing is told. Default 10 s. */
  readonly lookEachMs?: number;
}

const defaultLookMs = 10_000;
/** After a change, others come: a look when there was none for so long, and in any case after the second. */
const quietMs = 300;
const mostQuietMs = 2000;
/** Others' servers are asked less often than the disk. */
const webEachMs = 5 * 60_000;
/** Systems bound how many there may be for a user; beyond these the looks alone find changes. */
const mostWatched = 2048;

export class SourceWatch {
  private readonly places: readonly SourcePlace[];
  private readonly options: WatchOptions;
  private readonly seen = new Map<string, string>();

  constructor(places: readonly SourcePlace[], options: WatchOptions) {
    this.places = places;
    this.options = options;
  }

  /** Each source once at the beginning, then whenever it is not what it was. Ends when the signal is aborted. */
  async *changes(): AsyncGenerator<SourcePlace> {
    const { signal, lookEachMs = defaultLookMs } = this.options;
    const bell = new Bell(signal);
    const watchers = new Watchers(() => bell.ring());
    try {
      while (!signal.aborted) {
        const folders: string[] = [];
        const changed: SourcePlace[] = [];
        for (const place of this.places) {
          const look = await looked(place, folders);
          if (this.seen.get(sourceName(place)) === look) continue;
          this.seen.set(sourceName(place), look);
          changed.push(place);
        }
        watchers.set(folders);
        yield* changed;
        if (!(await bell.rung(lookEachMs))) continue;
        const endMs = performance.now() + mostQuietMs;
        while (performance.now() < endMs && (await bell.rung(quietMs)));
      }
    } finally {
      watchers.set([]);
    }
  }

  /** What was made of it failed: it is told again by the next look; of the web when its server is asked again. */
  again(place: SourcePlace): void {
    if (place.kind !== 'web') this.seen.delete(sourceName(place));
  }
}

/** What it is like; what cannot be looked at is like its error. Adds the folders that were looked through. */
async function looked(place: SourcePlace, folders: string[]): Promise<string> {
  try {
    if (place.kind === 'git') return await commitOf(place.folder, place.revision);
    if (place.kind === 'stdin') return '';
    // Its server is asked whether it has changed when it is brought.
    if (place.kind === 'web') return String(Math.floor(performance.now() / webEachMs));
    const hash = createHash('sha256');
    let left: number = limits.artifactEntries;
    const look = async (path: string): Promise<void> => {
      left -= 1;
      if (left < 0) return;
      const found = await lstat(path);
      hash.update(`${path}\n${found.mtimeMs} ${found.size} ${found.ino} ${found.mode}\n`);
      if (!found.isDirectory()) return;
      folders.push(path);
      for (const name of (await readdir(path)).sort())
        if (!passedOver.has(name)) await look(join(path, name)).catch(gone);
    };
    await look(place.path);
    return hash.digest('hex');
  } catch (error) {
    return String(error);
  }
}

/** It went between two looks; the folder's own time says so. */
function gone(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/** Rings are kept until somebody waits. */
class Bell {
  private readonly signal: AbortSignal;
  private isRung = false;
  private wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.signal = signal;
    signal.addEventListener('abort', () => this.wake?.(), { once: true });
  }

  ring(): void {
    this.isRung = true;
    this.wake?.();
  }

  /** Whether it rang within the time. */
  async rung(withinMs: number): Promise<boolean> {
    if (!this.isRung && !this.signal.aborted)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    const { isRung } = this;
    this.isRung = false;
    this.wake = undefined;
    return isRung;
  }
}

class Watchers {
  private readonly changed: () => void;
  private readonly of = new Map<string, FSWatcher>();

  constructor(changed: () => void) {
    this.changed = changed;
  }

  set(folders: readonly string[]): void {
    const wanted = new Set(folders.slice(0, mostWatched));
    for (const folder of this.of.keys()) if (!wanted.has(folder)) this.end(folder);
    for (const folder of wanted) if (!this.of.has(folder) && !this.begin(folder)) return;
  }

  /** False where the system takes no more. */
  private begin(folder: string): boolean {
    try {
      const watcher = watch(folder, this.changed);
      // The folder is gone, or cannot be watched: the next look finds out.
      watcher.on('error', () => this.end(folder));
      this.of.set(folder, watcher);
      return true;
    } catch (error) {
      return isMissing(error);
    }
  }

  private end(folder: string): void {
    this.of.get(folder)?.close();
    this.of.delete(folder);
  }
}
