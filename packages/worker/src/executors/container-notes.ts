/**
 * What the labels of containers cannot say, because labels never change: that there may be containers of this worker at
 * all, whose a warm one has become, and why it was ending one. A folder, and in it a file for each attempt that is in a
 * warm container, and for each that is being stopped.
 *
 * 1. The folder is there before the worker's first container is, and goes when its last one has gone: while it is there
 *    and the engine does not answer, nobody knows what runs.
 * 2. Why a container is ended is on disk before the engine is told to: a later life then tells its end as this one would.
 * 3. A disk that refuses or hangs costs the note, never the stop.
 * 4. Whose a warm container is, is written before that gets its command: a later life removes the others. It need not
 *    be on disk: a machine that goes down takes the container with it.
 */
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Alarms, isMissing, type Log } from '@gryphgen/runtime';
import { z } from 'zod';
import { type Fence, keyOf, nameOf } from '../core/fence.ts';
import { type LeaseFacts, type StopWhy, stopWhys } from '../core/state.ts';
import { leaseFactsSchema } from './lease-facts.ts';

/** A stop waits no longer for its note. */
const patienceMs = 2000;

const whole = z.number().int().min(0);
const stopNoteSchema = z.object({ why: z.enum(stopWhys), wallMs: z.number() });
/** `wallMs`: when the stop was decided. What ended before had ended by itself. */
export interface StopNote {
  readonly why: StopWhy;
  readonly wallMs: number;
}

const claimNoteSchema = z.object({
  /** Its id. */
  container: z.string(),
  task: whole,
  attempt: whole,
  epoch: whole,
  facts: leaseFactsSchema,
  preface: z.string(),
  env: z.record(z.string(), z.string()),
  wallMs: z.number(),
});
/** Whose a warm container has become, and when. `preface`: what its log begins with; `env`: what its command was given. */
export interface Claim {
  readonly container: string;
  readonly fence: Fence;
  readonly facts: LeaseFacts;
  readonly preface: string;
  readonly env: Readonly<Record<string, string>>;
  readonly wallMs: number;
}

export class ContainerNotes {
  private readonly folder: string;
  private readonly alarms: Alarms;
  private readonly log: Log;
  private begun: Promise<void> | null = null;

  constructor(folder: string, { alarms, log }: { readonly alarms: Alarms; readonly log: Log }) {
    this.folder = folder;
    this.alarms = alarms;
    this.log = log;
  }

  /** Whether an earlier life may have left containers. */
  async mayHaveContainers(): Promise<boolean> {
    try {
      return (await stat(this.folder)).isDirectory();
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Before a container is created. Throws what the file system says. */
  begin(): Promise<void> {
    this.begun ??= this.make().catch((error: unknown) => {
      this.begun = null;
      throw error;
    });
    return this.begun;
  }

  /** Resolves when the note is on disk, or cannot be there in time. */
  noteStop(fence: Fence, note: StopNote): Promise<void> {
    const written = this.write(fence, note).catch((error: unknown) =>
      this.log.warn({ err: error, attempt: nameOf(fence) }, 'it cannot be noted why a container is stopped'),
    );
    return new Promise((resolve) => {
      const cancel = this.alarms.after(patienceMs, resolve);
      void written.then(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Null when an earlier life was not stopping it. */
  async stopOf(fence: Fence): Promise<StopNote | null> {
    try {
      const parsed = stopNoteSchema.safeParse(JSON.parse(await readFile(this.pathOf(fence, 'stop'), 'utf8')));
      return parsed.success ? parsed.data : null;
    } catch {
      return null; // none, or half of one: then the stop was never sent
    }
  }

  /** Throws what the file system says. */
  async noteClaim({ fence, ...claim }: Claim): Promise<void> {
    await this.begin();
    await writeFile(this.pathOf(fence, 'claim'), `${JSON.stringify({ ...fence, ...claim })}\n`, {
      mode: 0o600,
    });
  }

  /** By id of the container. Those that cannot be read claim nothing. */
  async claims(): Promise<ReadonlyMap<string, Claim>> {
    const claims = new Map<string, Claim>();
    for (const name of await readdir(this.folder).catch(() => [])) {
      const claim = name.endsWith('.claim') ? await readClaim(join(this.folder, name)) : null;
      if (claim !== null) claims.set(claim.container, claim);
    }
    return claims;
  }

  async forget(fence: Fence): Promise<void> {
    await this.remove(this.pathOf(fence, 'stop'));
    await this.remove(this.pathOf(fence, 'claim'));
  }

  /** There is no container any more. */
  async clear(): Promise<void> {
    this.begun = null;
    await this.remove(this.folder);
  }

  private async make(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await sync(dirname(this.folder));
  }

  private async write(fence: Fence, note: StopNote): Promise<void> {
    await this.begin();
    await writeFile(this.pathOf(fence, 'stop'), `${JSON.stringify(note)}\n`, { mode: 0o600, flush: true });
    await sync(this.folder);
  }

  private async remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      this.log.warn({ err: error, path }, 'an old note cannot be removed');
    }
  }

  private pathOf(fence: Fence, what: 'stop' | 'claim'): string {
    return join(this.folder, `${keyOf(fence)}.${what}`);
  }
}

async function readClaim(path: string): Promise<Claim | null> {
  try {
    const { task, attempt, epoch, ...claim } = claimNoteSchema.parse(
      JSON.parse(await readFile(path, 'utf8')),
    );
    return { ...claim, fence: { task, attempt, epoch } as Fence };
  } catch {
    return null; // half of one: its command was never sent
  }
}

async function sync(folder: string): Promise<void> {
  const entry = await open(folder, 'r');
  try {
    await entry.sync();
  } finally {
    await entry.close();
  }
}
