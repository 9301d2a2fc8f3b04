/**
 * Images that are pushed to this worker: who may give them which name, how many at a time, and whether there is room.
 *
 * 1. A name that an image here has stays with it, unless a push on behalf of the same principal gave it: neither the
 *    owner's images nor pulled ones can be replaced by a push.
 * 2. Whoever gives a name to an image that is here has sent it, too: to know an id is not to have an image, and by a name
 *    that may run here it could be had.
 * 3. Nothing is taken that would not be kept: the budget of the grid's images, and the disk, have room for it before.
 * 4. What is taken is noted before the engine can have it: whatever crashes, it is collected like a pulled image.
 */
import { type Failure, failure, type ImageOrder, imageOrderBytes } from '@gryphgen/protocol';
import type { Alarms, Clock, Log, OpenPush, PushRequest, TransferEnd } from '@gryphgen/runtime';
import { engineLost } from '../executors/docker-engine.ts';
import type { EngineImages, PresentImage } from './engine-images.ts';
import type { ImageCollector } from './image-collector.ts';
import type { ImageNotes } from './image-notes.ts';
import { parseReference, writeReference } from './image-reference.ts';
import { PushedImage } from './pushed-image.ts';

/** Each holds a connection to the engine and a window of bytes. */
const maxPushes = 4;

export interface PushRules {
  /** By its name alone; null when such an image may run here. */
  refuses(name: string): Failure | null;
  /** An image has come, or another name: resolves when that has been told. */
  changed(): Promise<void>;
}

export interface PushTools {
  readonly engine: EngineImages;
  readonly notes: ImageNotes;
  readonly collector: ImageCollector;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
}

export class ImagePushes {
  private readonly tools: PushTools;
  private readonly rules: PushRules;
  /** By id: the bytes of what is under way. */
  private readonly underWay = new Map<string, number>();

  constructor(tools: PushTools, rules: PushRules) {
    this.tools = tools;
    this.rules = rules;
  }

  readonly open: OpenPush = async (request, signal) => {
    const { id } = request.order;
    const why = this.refusal(request);
    if (why !== null) return { failure: why };
    this.underWay.set(id, imageOrderBytes(request.order));
    const opened = await this.begin(request, signal).catch((error: unknown) => ({
      failure: engineLost(error),
    }));
    if ('gone' in opened) void opened.gone.then(() => this.underWay.delete(id));
    else this.underWay.delete(id);
    return opened;
  };

  /** What can be said without asking the engine. */
  private refusal({ order: { id, names } }: PushRequest): Failure | null {
    for (const name of names) {
      const why = this.rules.refuses(name);
      if (why !== null) return why;
    }
    if (this.underWay.has(id))
      return failure('rejected.state', 'this image is being pushed to this worker already');
    if (this.underWay.size >= maxPushes)
      return failure('rejected.limit', `${maxPushes} images are being pushed to this worker already`);
    return null;
  }

  private async begin(
    { order, principal }: PushRequest,
    signal: AbortSignal,
  ): Promise<PushedImage | TransferEnd> {
    const { engine, notes, collector } = this.tools;
    await notes.load();
    const names = order.names.map((name) => writeReference(parseReference(name)));
    const taken = await this.taken(names, order.id, principal);
    if (taken !== null) return { failure: taken };
    const present = await engine.inspect(order.id);
    if (present !== null && this.mayName(present, names, principal))
      return await this.name(present, names, principal);
    const isNameless = present !== null && present.tags.length === 0 && !notes.images.has(present.id);
    const reserved = [...this.underWay.values()].reduce((sum, bytes) => sum + bytes, 0);
    const noRoom = await collector.makeRoom(reserved);
    if (noRoom !== null)
      return { failure: failure('rejected.limit', `this worker has no room for the image: ${noRoom}`) };
    return new PushedImage({
      ...this.tools,
      order,
      principal,
      signal,
      platform: await engine.platform(),
      wasHere: present !== null,
      expect: () => this.expect(order, names, principal),
      // An image without a name that we have no note of is its owner's: with a name of ours it would be collected.
      name: (image) => this.name(image, names, isNameless ? null : principal),
    });
  }

  /** Whether it need not be sent: it has these names, or came here on behalf of the same principal. */
  private mayName({ id, tags }: PresentImage, names: readonly string[], principal: string): boolean {
    const givers = Object.values(this.tools.notes.images.get(id)?.pushedBy ?? {});
    return names.every((name) => tags.includes(name)) || (principal !== '' && givers.includes(principal));
  }

  /** Why one of these names cannot be given to the image. */
  private async taken(names: readonly string[], id: string, principal: string): Promise<Failure | null> {
    const { engine, notes } = this.tools;
    for (const name of names) {
      const present = await engine.inspect(name);
      if (present === null || present.id === id) continue;
      const giver = notes.images.get(present.id)?.pushedBy?.[name];
      if (giver === principal && principal !== '') continue;
      const whose = giver === undefined ? 'that did not come by a push' : 'that somebody else has pushed';
      return failure(
        'rejected.forbidden',
        `${name} is another image on this worker, one ${whose}: give yours another name`,
      );
    }
    return null;
  }

  /** Before the engine can have it. Returns how to take that back. */
  private expect({ id }: ImageOrder, names: readonly string[], principal: string): () => void {
    const { notes } = this.tools;
    if (notes.images.has(id)) return () => undefined;
    for (const name of names) notes.pushed(id, name, principal);
    return () => notes.forget(id);
  }

  /** It is here: gives it the names it has not got yet, noted as this principal's, and tells of it. */
  private async name(
    image: PresentImage,
    names: readonly string[],
    giver: string | null,
  ): Promise<TransferEnd> {
    const { engine, notes, collector, log } = this.tools;
    const taken = await this.taken(names, image.id, giver ?? '');
    if (taken !== null) return { failure: taken };
    const missing = names.filter((name) => !image.tags.includes(name));
    for (const name of missing) {
      await engine.tag(image.id, name);
      if (giver !== null) notes.pushed(image.id, name, giver);
    }
    if (missing.length > 0) {
      log.info(
        { image: missing, id: image.id, bytes: image.bytes, principal: giver },
        'a pushed image was taken',
      );
      void collector.collect();
      await this.rules.changed();
    }
    return { failure: null };
  }
}
