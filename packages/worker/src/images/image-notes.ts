/**
 * Which images on this machine the grid has pulled, and when each was last used: a file beside the logs. What is not in
 * it is the owner's.
 *
 * 1. One write at a time, off the loop, the newest state wins; the file is replaced atomically.
 * 2. A file that makes no sense is told of and begun anew: the images it knew are then the owner's.
 * 3. A worker killed between the end of a pull and its note leaves an image that is the owner's: never one too few.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Clock, Log } from '@gryphgen/runtime';
import { z } from 'zod';

/** A later use within this is not worth a write. */
const useStepMs = 60_000;

const noteSchema = z.object({
  /** `name:tag` or `name@sha256:…`, as they were pulled. */
  names: z.array(z.string()),
  usedMs: z.number(),
});
const fileSchema = z.object({ version: z.literal(1), images: z.record(z.string(), noteSchema) });
type ImageNote = z.infer<typeof noteSchema>;

export class ImageNotes {
  private readonly path: string;
  private readonly clock: Clock;
  private readonly log: Log;
  /** By image id. */
  private notes = new Map<string, ImageNote>();
  private loaded: Promise<void> | null = null;
  private isDirty = false;
  private writing: Promise<void> | null = null;

  constructor(path: string, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.path = path;
    this.clock = clock;
    this.log = log;
  }

  /** Before anything else. Never rejects. */
  load(): Promise<void> {
    this.loaded ??= this.read();
    return this.loaded;
  }

  get images(): ReadonlyMap<string, Readonly<ImageNote>> {
    return this.notes;
  }

  pulled(id: string, name: string): void {
    const names = this.notes.get(id)?.names ?? [];
    const usedMs = this.clock.wall();
    this.notes.set(id, { names: [...new Set([...names, name])], usedMs });
    this.save();
  }

  used(id: string): void {
    const note = this.notes.get(id);
    if (note === undefined) return;
    const isNews = this.clock.wall() - note.usedMs >= useStepMs;
    note.usedMs = this.clock.wall();
    if (isNews) this.save();
  }

  forget(id: string): void {
    if (this.notes.delete(id)) this.save();
  }

  async close(): Promise<void> {
    await this.writing;
  }

  private async read(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) this.begunAnew(error);
      return;
    }
    try {
      this.notes = new Map(Object.entries(fileSchema.parse(JSON.parse(text)).images));
    } catch (error) {
      this.begunAnew(error);
    }
  }

  private begunAnew(error: unknown): void {
    const words = 'the note of pulled images cannot be read: those it knew are not collected any more';
    this.log.warn({ err: error, path: this.path }, words);
  }

  private save(): void {
    this.isDirty = true;
    this.writing ??= this.write().finally(() => {
      this.writing = null;
    });
  }

  private async write(): Promise<void> {
    while (this.isDirty) {
      this.isDirty = false;
      try {
        const text = `${JSON.stringify({ version: 1, images: Object.fromEntries(this.notes) })}\n`;
        await writeFile(`${this.path}.new`, text, { mode: 0o600, flush: true });
        await rename(`${this.path}.new`, this.path);
      } catch (error) {
        // The images stay, and are the owner's after a restart.
        this.log.warn({ err: error }, 'pulled images cannot be noted');
        return;
      }
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
