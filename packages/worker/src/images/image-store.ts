/**
 * The images of a worker: there when an attempt needs one, and gone again when they take too much of the disk.
 *
 * 1. However many attempts wait for an image, it is pulled once at a time.
 * 2. What was asked for by digest runs only by that digest; else it is told which digest runs, where there is one.
 * 3. A pull that nobody waits for any more is given up.
 */
import { type Failure, failure, formatDuration, type PullPolicy, type Read } from '@gryphgen/protocol';
import type { Alarms, Cancel, Clock, Log } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { engineLost } from '../executors/docker-engine.ts';
import { EngineImages, type PresentImage } from './engine-images.ts';
import { ImageCollector } from './image-collector.ts';
import { formatFailure, pullFailure } from './image-failure.ts';
import { ImageNotes } from './image-notes.ts';
import { ImagePull, type PullEnd, type Tell } from './image-pull.ts';
import { ImagePushes, type PushRules } from './image-pushes.ts';
import { type ImageReference, parseReference, writeReference } from './image-reference.ts';
import type { PullEvent } from './pull-progress.ts';
import { type RegistryLogin, registryLogin, withoutSecrets } from './registry-credentials.ts';

/** Longer than creating a container may take. */
const defaultRestMs = 300_000;
/** The engine tries a layer again for 75 s by itself, and tells no less than each half MiB. */
const defaultStallMs = 180_000;

/** A busy disk takes a second; an engine this slow has hung. */
const presentMs = 120_000;

/** `name`: by which it was found, with its digest where it has one. */
export type FoundImage = PresentImage & { readonly name: string };

/** What the owner of a worker decides about its images. */
export interface ImageSettings {
  /** Of all images the grid has pulled; undefined: a fifth of the engine's disk. */
  readonly budgetBytes?: number;
  /** A docker `config.json` with logins to registries; undefined: none. */
  readonly credentialsFile?: string;
}

export interface ImageStoreOptions {
  readonly docker: Docker;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  /** `$GRID_HOME/worker` */
  readonly folder: string;
  readonly settings: ImageSettings;
  readonly stallMs?: number;
  readonly restMs?: number;
}

/** Of an attempt that waits for its image. */
export interface ImageWait {
  /** Lines for its log. */
  readonly tell: Tell;
  /** Aborted when it does not wait any more. */
  readonly signal: AbortSignal;
}

export interface ImageWish extends ImageWait {
  readonly image: string;
  readonly policy: PullPolicy;
  /** How long to wait for it; 0: as long as it moves. */
  readonly limitMs: number;
}

/** What came of a pull, with what its attempts are told when nothing did. */
type Pulled = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

interface UnderWay {
  readonly pull: ImagePull;
  /** Never rejects. */
  readonly outcome: Promise<Pulled>;
}

/** What is found out when a pull begins. */
interface Known {
  /** Ids of the images that were here: they are not ours. */
  before: ReadonlySet<string>;
  login: RegistryLogin | null;
  hint: string;
}

export class ImageStore {
  private readonly engine: EngineImages;
  private readonly options: ImageStoreOptions;
  private readonly notes: ImageNotes;
  private readonly collector: ImageCollector;
  private readonly closing = new AbortController();
  /** By name. */
  private readonly pulls = new Map<string, UnderWay>();

  constructor(options: ImageStoreOptions) {
    const { docker, alarms, clock, log, folder, settings, restMs = defaultRestMs } = options;
    this.options = options;
    this.engine = new EngineImages(docker, { alarms, signal: this.closing.signal });
    this.notes = new ImageNotes(`${folder}/images.json`, { clock, log });
    const { budgetBytes } = settings;
    this.collector = new ImageCollector({
      engine: this.engine,
      notes: this.notes,
      clock,
      log,
      signal: this.closing.signal,
      budgetBytes,
      restMs,
      home: folder,
    });
  }

  /** The image is here, and this is what the engine says of it. */
  async ensure(wish: ImageWish): Promise<Read<FoundImage>> {
    const reference = parseReference(wish.image);
    const name = writeReference(reference);
    try {
      await this.notes.load();
      const present = wish.policy === 'always' ? null : await this.engine.inspect(name);
      if (present !== null) return this.found(reference, present, wish, true);
      if (wish.policy === 'never')
        return refused(`this worker has no image ${name}, and the task says pull: never`);
      const pulled = await this.wait(reference, wish);
      if (!pulled.ok) return pulled;
      const image = await this.engine.inspect(name);
      if (image === null) return refused(`${name} was pulled, and is gone again`);
      return this.found(reference, image, wish, false);
    } catch (error) {
      return { ok: false, failure: engineLost(error) };
    }
  }

  /** Of an image that a container is made of already. */
  async present(name: string): Promise<Read<FoundImage>> {
    try {
      const image = await this.engine.inspect(name, presentMs);
      return image === null
        ? refused(`this worker has no image ${name}`)
        : { ok: true, value: { ...image, name } };
    } catch (error) {
      return { ok: false, failure: engineLost(error) };
    }
  }

  /** Why the command of a container of this image cannot be executed at all. Rejects when the engine does not answer. */
  async formatFailure(id: string): Promise<Failure> {
    const [image, machine] = await Promise.all([this.engine.inspect(id), this.engine.platform()]);
    const name = image?.tags[0] ?? image?.digests[0] ?? id;
    return formatFailure(name, image?.platform ?? 'another kind of machine', machine);
  }

  /** Takes images that are pushed, as far as the rules let it. */
  pushes(rules: PushRules): ImagePushes {
    const { engine, notes, collector } = this;
    const { clock, alarms, log } = this.options;
    return new ImagePushes({ engine, notes, collector, clock, alarms, log }, rules);
  }

  /** Whether all is within the budget: at a low rate, by whoever comes by. Never rejects. */
  look(): Promise<void> {
    return this.collector.look();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.collector.close();
    await this.notes.close();
  }

  private found(
    { name, tag, digest }: ImageReference,
    image: PresentImage,
    { tell }: ImageWish,
    isOld: boolean,
  ): Read<FoundImage> {
    const written = writeReference({ name, tag, digest, host: '' });
    const pinned = image.digests.filter((known) => known.startsWith(`${name}@`));
    if (digest !== '' && !pinned.includes(written))
      return refused(`the engine gives ${image.id} for ${written}, which is not that digest`);
    this.notes.used(image.id);
    const [exact] = pinned;
    if (isOld && digest === '' && exact !== undefined) tell(`${written} is ${exact}`);
    return { ok: true, value: { ...image, name: digest === '' ? (exact ?? written) : written } };
  }

  private async wait(reference: ImageReference, wish: ImageWish): Promise<Pulled> {
    const name = writeReference(reference);
    const underWay = this.pulls.get(name) ?? this.begin(reference);
    this.pulls.set(name, underWay);
    const leave = underWay.pull.join(wish.tell);
    const gone = this.untilGone(name, wish);
    try {
      return await Promise.race([underWay.outcome, gone.failed]);
    } finally {
      gone.cancel();
      if (leave() && this.pulls.get(name) === underWay) this.pulls.delete(name);
    }
  }

  /** When this attempt stops waiting, whatever becomes of the pull. */
  private untilGone(name: string, { signal, limitMs }: ImageWish) {
    let cancel: Cancel = () => undefined;
    const failed = new Promise<Pulled>((resolve) => {
      const giveUp = (why: Failure) => resolve({ ok: false, failure: why });
      const stop = () => giveUp(failure('cancelled.user', `stopped before ${name} was here`));
      const tooLong = `its image ${name} was not here within its timeout of ${formatDuration(limitMs)}`;
      const cancelLimit =
        limitMs === 0
          ? () => undefined
          : this.options.alarms.after(limitMs, () => giveUp(failure('execution.timeout', tooLong)));
      signal.addEventListener('abort', stop);
      cancel = () => {
        cancelLimit();
        signal.removeEventListener('abort', stop);
      };
      if (signal.aborted) stop();
    });
    return { failed, cancel };
  }

  private begin(reference: ImageReference): UnderWay {
    const { clock, alarms, stallMs = defaultStallMs } = this.options;
    const name = writeReference(reference);
    const known: Known = { before: new Set(), login: null, hint: '' };
    const pull = new ImagePull({
      clock,
      alarms,
      stallMs,
      image: name,
      begin: (signal) => this.lines(reference, known, signal),
      clean: (words) => withoutSecrets(words, known.login),
      makeRoom: async () => (await this.collector.collect(0)) > 0,
    });
    const outcome = pull.ended.then((end) => this.ended(reference, known, end));
    return { pull, outcome };
  }

  private async *lines(
    reference: ImageReference,
    known: Known,
    signal: AbortSignal,
  ): AsyncGenerator<PullEvent, void, undefined> {
    const { credentialsFile = '' } = this.options.settings;
    const found = await registryLogin(credentialsFile, reference.host);
    if (!found.ok) {
      yield { error: found.why, problem: 'credentials' };
      return;
    }
    known.login = found.login;
    known.hint = found.hint;
    known.before = new Set((await this.engine.list()).map(({ id }) => id));
    yield* this.engine.pull(reference, found.login, signal);
  }

  private async ended(reference: ImageReference, known: Known, end: PullEnd): Promise<Pulled> {
    const name = writeReference(reference);
    try {
      if (!end.ok) {
        const platforms = end.problem === 'platform' ? await this.platforms(name, known.login) : '';
        return { ok: false, failure: pullFailure(reference, end, { hint: known.hint, platforms }) };
      }
      const image = await this.engine.inspect(name);
      if (image !== null && !known.before.has(image.id)) {
        this.notes.pulled(image.id, name);
        this.options.log.info({ image: name, id: image.id, bytes: image.bytes }, 'pulled an image');
      }
      void this.collector.collect();
      return { ok: true };
    } catch (error) {
      return { ok: false, failure: engineLost(error) };
    }
  }

  private async platforms(name: string, login: RegistryLogin | null): Promise<string> {
    const machine = await this.engine.platform();
    // Only for the words: a registry that does not tell leaves them shorter.
    const offered = await this.engine.platformsOffered(name, login).catch(() => []);
    const has = offered.length === 0 ? 'not for this one' : `for ${offered.join(', ')}`;
    return `the registry has it ${has}, this machine is ${machine}`;
  }
}

function refused(words: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: failure('execution.image', words) };
}
