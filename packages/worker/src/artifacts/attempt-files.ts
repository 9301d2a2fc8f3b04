/**
 * What attempts are given and what they leave, in this worker's own store of artifacts.
 *
 * 1. An attempt's note is on disk before anything is fetched for it: what it is given is held, and what it is to leave
 *    is known, over restarts of the worker, until the attempt is forgotten.
 * 2. What it left is in the store before its end is told, and beside the broker, too, where that takes it: from there it
 *    is had when this worker is gone. Where it cannot be copied, the attempt has succeeded all the same.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ArtifactRef,
  encodeBody,
  type Failure,
  failure,
  fileFields,
  formatBytes,
  type Read,
  readOutcome,
  type TaskFiles,
  type TaskOutput,
} from '@gryphgen/protocol';
import {
  type Alarms,
  ArtifactStore,
  aborted,
  type Clock,
  fetchAnywhere,
  type Log,
  type Manifest,
  replacePrivateFile,
  type Scanned,
  storeBesideBroker,
  storeBudget,
  takeScanned,
  UselessPlaces,
} from '@gryphgen/runtime';
import { z } from 'zod';
import { type Fence, keyOf } from '../core/fence.ts';
import { AwaitedInputs } from './awaited-inputs.ts';
import type { BrokerQuestions } from './broker-questions.ts';
import { inputFailure, outputFailure, stopped, wordsOf } from './file-failures.ts';

/** Larger outputs stay on the worker alone. */
const copiedBytes = 10 * 1024 ** 3;
/** What is smaller is here before anybody has read that it comes. */
const toldBytes = 1024 * 1024;
const noteSchema = z.object(fileFields);

export interface Given {
  /** A file or a folder, for reading. */
  readonly path: string;
  readonly to: string;
  readonly manifest: Manifest;
}

/** One output of an attempt, or why there is none. */
export type Left = Scanned | Failure;

export interface GiveOptions {
  readonly signal: AbortSignal;
  /** A line for the attempt's log. */
  readonly tell: (line: string) => void;
}

export interface AttemptFilesOptions {
  readonly folder: string;
  readonly budgetBytes: number | 'auto';
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly questions: BrokerQuestions;
}

/** As executors know it. */
export type Files = Pick<AttemptFiles, 'give' | 'outputsOf' | 'keep' | 'unpackIn' | 'fileOf'>;

/** Of an executor whose attempts are given nothing and leave nothing. */
export const noFiles: Files = {
  give: async () => ({ ok: true, value: [] }),
  outputsOf: () => [],
  keep: async (_, outcome) => ({ ok: true, value: outcome }),
  unpackIn: () => '',
  fileOf: () => '',
};

export class AttemptFiles {
  readonly store: ArtifactStore;
  /** What attempts wait for, and how much of it has come. */
  readonly awaited: AwaitedInputs;
  private readonly options: AttemptFilesOptions;
  private readonly notes = new Map<string, TaskFiles>();
  private readonly fetching = new Map<string, Promise<Failure | null>>();
  private readonly useless: UselessPlaces;

  private constructor(store: ArtifactStore, options: AttemptFilesOptions) {
    this.store = store;
    this.awaited = new AwaitedInputs((digest) => store.has(digest));
    this.options = options;
    this.useless = new UselessPlaces(options.clock);
  }

  static async open(options: AttemptFilesOptions): Promise<AttemptFiles> {
    const { folder, clock } = options;
    const held: { of: (() => ReadonlySet<string>) | null } = { of: null };
    const store = await ArtifactStore.open({
      folder: join(folder, 'store'),
      budgetBytes: await storeBudget(folder, options.budgetBytes),
      clock,
      held: () => held.of?.() ?? new Set(),
    });
    const files = new AttemptFiles(store, options);
    held.of = () => files.held();
    await files.load();
    return files;
  }

  /** Where a content is that an attempt is given. */
  fileOf(id: string): string {
    return this.store.fileOf(id);
  }

  /** What of it the attempt is given, in place; or why it cannot be had here. */
  async give(fence: Fence, files: TaskFiles, options: GiveOptions): Promise<Read<readonly Given[]>> {
    const { inputs = [], outputs = [] } = files;
    if (inputs.length + outputs.length === 0) return { ok: true, value: [] };
    try {
      await this.note(fence, { inputs, outputs });
      this.awaited.begin(keyOf(fence), inputs);
      const given: Given[] = [];
      for (const input of inputs) {
        const why = await this.bring(fence, input, options);
        if (why !== null) return { ok: false, failure: inputFailure(input.to, why) };
        const [path, manifest] = [
          await this.store.path(input.digest),
          await this.store.manifest(input.digest),
        ];
        if (path === undefined || manifest === undefined) throw new Error(`${input.digest} is gone again`);
        given.push({ path, to: input.to, manifest });
      }
      return { ok: true, value: given };
    } catch (error) {
      return {
        ok: false,
        failure: failure('lost.worker', `its inputs cannot be put in place: ${wordsOf(error)}`),
      };
    } finally {
      this.awaited.end(keyOf(fence));
    }
  }

  /** What the attempt is to leave. */
  outputsOf(fence: Fence): readonly string[] {
    return this.notes.get(keyOf(fence))?.outputs ?? [];
  }

  /**
   * What an attempt that succeeded has left, each as `look` finds it, becomes part of its outcome. A failure when one
   * is missing, or is none that can be kept.
   */
  async keep(
    fence: Fence,
    outcome: Uint8Array,
    look: (path: string) => Promise<Left>,
    signal: AbortSignal,
  ): Promise<Read<Uint8Array>> {
    const kept: TaskOutput[] = [];
    for (const path of this.outputsOf(fence)) {
      const left = await look(path).catch((error: unknown) => failure('lost.worker', wordsOf(error)));
      const why = 'code' in left ? left : await takeScanned(this.store, left);
      if (why !== null) return { ok: false, failure: outputFailure(path, why) };
      if ('code' in left) throw new Error('it was refused above');
      const { digest, bytes } = left.manifest;
      // It is given to nobody yet, and must not go before it is copied.
      this.hold(fence, { digest, bytes });
      kept.push({ path, digest, bytes, copied: await this.copy(fence, left.manifest, signal) });
    }
    const image = readOutcome(outcome)?.image;
    return { ok: true, value: encodeBody({ ...(image !== undefined && { image }), outputs: kept }) };
  }

  /** Where what the attempt has left can be put meanwhile: on the disk of the store. */
  unpackIn(fence: Fence): string {
    return join(this.unpacked, keyOf(fence));
  }

  /** Attempts that are not here any more need nothing. */
  async retain(fences: readonly Fence[]): Promise<void> {
    const known = new Set(fences.map(keyOf));
    for (const key of this.notes.keys()) if (!known.has(key)) await this.drop(key);
  }

  forget(fence: Fence): void {
    void this.drop(keyOf(fence));
  }

  /** Null when it is in the store; one fetch serves all attempts that wait for it. */
  private async bring(
    fence: Fence,
    { digest, bytes }: ArtifactRef,
    options: GiveOptions,
  ): Promise<Failure | null> {
    while (!this.store.has(digest)) {
      const other = this.fetching.get(digest);
      if (other !== undefined) {
        await Promise.race([other, aborted(options.signal)]);
        if (options.signal.aborted) return stopped();
        continue;
      }
      const fetching = this.fetch(fence, digest, bytes, options);
      this.fetching.set(digest, fetching);
      const why = await fetching.finally(() => {
        this.fetching.delete(digest);
        this.awaited.settled(digest);
      });
      if (why !== null) return why;
    }
    return null;
  }

  private async fetch(
    { task }: Fence,
    digest: string,
    bytes: number,
    { signal, tell }: GiveOptions,
  ): Promise<Failure | null> {
    const { questions, clock, alarms, log } = this.options;
    if (bytes >= toldBytes) tell(`fetching ${digest.slice(0, 19)}… of ${formatBytes(bytes)}`);
    return await fetchAnywhere(digest, this.store, {
      ask: () => questions.ask('fetch', { task, artifact: digest }, signal),
      ...{ clock, alarms, signal, useless: this.useless },
      brokerEndpoint: () => questions.brokerEndpoint,
      onMoved: (moved, of) => this.awaited.moved({ digest, bytes }, moved, of),
      onPassedOver: (endpoint, why) =>
        log.warn({ artifact: digest, endpoint, why: why.message }, 'an input did not come'),
    });
  }

  /** Whether it is beside the broker now. */
  private async copy({ task }: Fence, manifest: Manifest, signal: AbortSignal): Promise<boolean> {
    const { questions, clock, alarms, log } = this.options;
    if (manifest.bytes > copiedBytes) return false;
    const sources = this.store.sourcesOf(manifest);
    const why = await storeBesideBroker(
      { manifest, sources },
      {
        ask: () => questions.ask('store', { task, artifact: manifest.digest }, signal),
        ...{ clock, alarms, signal },
        brokerEndpoint: () => questions.brokerEndpoint,
      },
    );
    if (why !== null)
      log.warn({ task, artifact: manifest.digest, why: why.message }, 'an output is on this worker alone');
    return why === null;
  }

  private held(): ReadonlySet<string> {
    const held = new Set<string>();
    for (const { inputs = [] } of this.notes.values()) for (const { digest } of inputs) held.add(digest);
    return held;
  }

  private hold(fence: Fence, { digest, bytes }: ArtifactRef): void {
    const key = keyOf(fence);
    const { inputs = [], outputs } = this.notes.get(key) ?? {};
    this.notes.set(key, { inputs: [...inputs, { digest, bytes, to: '/' }], outputs });
  }

  private async note(fence: Fence, files: TaskFiles): Promise<void> {
    const key = keyOf(fence);
    this.notes.set(key, files);
    await replacePrivateFile(this.noteOf(key), JSON.stringify(files));
  }

  private async drop(key: string): Promise<void> {
    if (!this.notes.delete(key)) return;
    await rm(this.noteOf(key), { force: true }).catch((error: unknown) =>
      this.options.log.warn({ err: error }, 'a note of an attempt cannot be removed'),
    );
  }

  private noteOf(key: string): string {
    return join(this.options.folder, 'attempts', `${key}.json`);
  }

  private get unpacked(): string {
    return join(this.options.folder, 'unpacked');
  }

  private async load(): Promise<void> {
    // Of a life that was killed while it looked at what attempts had left; they are looked at again.
    await rm(this.unpacked, { recursive: true, force: true });
    const folder = join(this.options.folder, 'attempts');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      const note = name.endsWith('.json') ? readNote(await readFile(join(folder, name), 'utf8')) : undefined;
      if (note === undefined) await rm(join(folder, name), { force: true });
      else this.notes.set(name.slice(0, -'.json'.length), note);
    }
  }
}

function readNote(text: string): TaskFiles | undefined {
  try {
    return noteSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
