/**
 * Which images on this machine the grid has brought (pulled, or had pushed), and when each was last used: a file beside the logs. What is not in
 * it is the owner's.
 *
 * 1. A file that makes no sense is told of and begun anew: the images it knew are then the owner's.
 * 2. A worker killed between the end of a pull and its note leaves an image that is the owner's: never one too few.
 */
import type { Clock, Log } from '@gryphgen/runtime';
import { z } from 'zod';
import { KeptFile } from '../kept-file.ts';

/** A later use within this is not worth a write. */
const useStepMs = 60_000;

const noteSchema = z.object({
  /** `name:tag` or `name@sha256:…`, as they were pulled. */
  names: z.array(z.string()),
  usedMs: z.number(),
  /** Those of its names that a push gave it, and on whose behalf. */
  pushedBy: z.record(z.string(), z.string()).optional(),
});
const fileSchema = z.object({ version: z.literal(1), images: z.record(z.string(), noteSchema) });
type ImageNote = z.infer<typeof noteSchema>;

export class ImageNotes {
  private readonly file: KeptFile;
  private readonly clock: Clock;
  private readonly log: Log;
  /** By image id. */
  private notes = new Map<string, ImageNote>();
  private loaded: Promise<void> | null = null;

  constructor(path: string, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.clock = clock;
    this.log = log;
    this.file = new KeptFile(path, {
      text: () => JSON.stringify({ version: 1, images: Object.fromEntries(this.notes) }),
      // The images stay, and are the owner's after a restart.
      onProblem: (error) => log.warn({ err: error }, 'pulled images cannot be noted'),
    });
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
    const note = this.notes.get(id);
    const names = [...new Set([...(note?.names ?? []), name])];
    this.notes.set(id, { ...note, names, usedMs: this.clock.wall() });
    this.file.save();
  }

  pushed(id: string, name: string, principal: string): void {
    const pushedBy = { ...this.notes.get(id)?.pushedBy, [name]: principal };
    this.pulled(id, name);
    this.notes.set(id, { ...(this.notes.get(id) as ImageNote), pushedBy });
    this.file.save();
  }

  used(id: string): void {
    const note = this.notes.get(id);
    if (note === undefined) return;
    const isNews = this.clock.wall() - note.usedMs >= useStepMs;
    note.usedMs = this.clock.wall();
    if (isNews) this.file.save();
  }

  forget(id: string): void {
    if (this.notes.delete(id)) this.file.save();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async read(): Promise<void> {
    const { path } = this.file;
    try {
      const text = await this.file.read();
      if (text !== null) this.notes = new Map(Object.entries(fileSchema.parse(JSON.parse(text)).images));
    } catch (error) {
      const words = 'the note of pulled images cannot be read: those it knew are not collected any more';
      this.log.warn({ err: error, path }, words);
    }
  }
}
