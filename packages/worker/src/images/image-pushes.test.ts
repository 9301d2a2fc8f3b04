/** The rules of pushed images; the engine is played. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { failure } from '@gryphgen/protocol';
import { createLog, type TransferEnd } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineImages, PresentImage } from './engine-images.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageNotes } from './image-notes.ts';
import { ImagePushes } from './image-pushes.ts';
import { PlayedTime } from './played-time.fixture.ts';
import { platform, type SentImage, sentImage } from './pushed.fixture.ts';
import type { PushedImage } from './pushed-image.ts';

const log = createLog({ daemon: 'worker', level: 'silent' });

/** Loads what it is given, whole. */
class PlayedEngine {
  readonly images = new Map<string, { tags: string[]; bytes: number }>();
  /** What it was given. */
  archives: Buffer[] = [];
  loads = 0;
  /** What it says instead of loading. */
  words = '';
  /** What it has loaded is called; '' for what its config says. */
  otherId = '';
  layers: readonly string[] = [];
  gate: Promise<void> = Promise.resolve();

  async inspect(image: string): Promise<PresentImage | null> {
    const found = [...this.images].find(([id, { tags }]) => id === image || tags.includes(image));
    if (found === undefined) return null;
    const [id, { tags, bytes }] = found;
    return { id, digests: [], tags, bytes, platform, layers: this.layers };
  }

  async load(archive: Readable, signal: AbortSignal): Promise<string> {
    this.loads += 1;
    const pieces: Buffer[] = [];
    archive.on('data', (piece: Buffer) => pieces.push(piece));
    await Promise.race([
      once(archive, 'end'),
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    ]);
    await this.gate;
    if (this.words !== '') throw new Error(this.words);
    const all = Buffer.concat(pieces);
    this.archives.push(all);
    const id = this.otherId || image.order.id;
    this.images.set(id, { tags: [], bytes: all.length });
    return id;
  }

  async tag(id: string, name: string): Promise<void> {
    for (const { tags } of this.images.values()) if (tags.includes(name)) tags.splice(tags.indexOf(name), 1);
    this.images.get(id)?.tags.push(name);
  }

  async remove(name: string): Promise<void> {
    for (const [id, { tags }] of this.images) if (id === name || tags.includes(name)) this.images.delete(id);
  }

  async platform(): Promise<string> {
    return platform;
  }

  async rootFolder(): Promise<string> {
    return tmpdir();
  }

  list = async () => Promise.all([...this.images.keys()].map((id) => this.inspect(id)));
  inUse = async () => new Set<string>();
}

const image = sentImage();
const gib = 2 ** 30;

let engine: PlayedEngine;
let notes: ImageNotes;
let time: PlayedTime;
let folder: string;
let told: number;
let pushes: ImagePushes;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-push-'));
  engine = new PlayedEngine();
  time = new PlayedTime();
  notes = new ImageNotes(join(folder, 'images.json'), { clock: time, log });
  told = 0;
  pushes = newPushes(gib);
});

afterEach(async () => {
  await notes.close();
  await rm(folder, { recursive: true });
});

function newPushes(budgetBytes: number): ImagePushes {
  const signal = new AbortController().signal;
  const real = engine as unknown as EngineImages;
  const tools = { engine: real, notes, clock: time, log };
  const collector = new ImageCollector({ ...tools, signal, budgetBytes, restMs: 0, home: folder });
  return new ImagePushes(
    { ...tools, alarms: time, collector },
    {
      refuses: (name) => (name.startsWith('evil') ? failure('rejected.forbidden', `not ${name}`) : null),
      changed: async () => {
        told += 1;
      },
    },
  );
}

const left = new AbortController().signal;

async function begin(sent: SentImage = image, principal = 'p-1', signal = left): Promise<PushedImage> {
  const opened = await pushes.open({ order: sent.order, principal }, signal);
  if (!('ended' in opened)) throw new Error(opened.failure?.message ?? 'held');
  return opened as PushedImage;
}

async function push(sent: SentImage = image, principal = 'p-1'): Promise<TransferEnd> {
  const opened = await pushes.open({ order: sent.order, principal }, left);
  if (!('ended' in opened)) return opened;
  await opened.write(sent.bytes);
  opened.endInput();
  return await opened.ended;
}

describe('a push', () => {
  it('gives the image its names, notes it as the grid’s, and tells', async () => {
    const sent = sentImage({ names: ['app:1', 'docker.io/library/app:2'] });
    engine.otherId = sent.order.id;
    expect(await push(sent)).toEqual({ failure: null });
    expect(engine.images.get(sent.order.id)?.tags).toEqual(['app:1', 'app:2']);
    const pushedBy = { 'app:1': 'p-1', 'app:2': 'p-1' };
    expect(notes.images.get(sent.order.id)).toMatchObject({ names: ['app:1', 'app:2'], pushedBy });
    expect(told).toBe(1);
    expect(time.alarms).toBe(0);
  });

  it('of an image that is here sends nothing: it gets the names it lacks', async () => {
    engine.images.set(image.order.id, { tags: ['mine:1'], bytes: 10 });
    expect(await push()).toEqual({ failure: null });
    expect(engine.loads).toBe(0);
    expect(engine.images.get(image.order.id)?.tags).toEqual(['mine:1', 'app:1']);
    expect(told).toBe(1);
    expect(await push()).toEqual({ failure: null });
    expect(told).toBe(1);
  });

  it('of an image that its owner has without a name leaves it the owner’s', async () => {
    engine.images.set(image.order.id, { tags: [], bytes: 10 });
    expect(await push()).toEqual({ failure: null });
    expect(notes.images.size).toBe(0);
  });

  it('is taken from an engine that calls images by another digest, when its layers are those', async () => {
    engine.otherId = `sha256:${'a'.repeat(64)}`;
    engine.layers = (
      JSON.parse(image.config.toString()) as { rootfs: { diff_ids: string[] } }
    ).rootfs.diff_ids;
    expect(await push()).toEqual({ failure: null });
    expect(notes.images.get(engine.otherId)?.names).toEqual(['app:1']);
  });

  it('ends loudly when the engine has loaded something else, and that is removed', async () => {
    engine.otherId = `sha256:${'a'.repeat(64)}`;
    expect(await push()).toMatchObject({ failure: { code: 'internal.bug' } });
    expect([...engine.images.keys(), ...notes.images.keys()]).toEqual([]);
  });
});

describe('a name', () => {
  it('that the policy does not allow is refused before the engine is asked', async () => {
    expect(await push(sentImage({ names: ['app:1', 'evil:1'] }))).toMatchObject({
      failure: { code: 'rejected.forbidden', message: 'not evil:1' },
    });
    expect(engine.loads).toBe(0);
  });

  it('of another image that the owner has, or that was pulled, stays with it', async () => {
    engine.images.set('sha256:old', { tags: ['app:1'], bytes: 10 });
    const words = 'app:1 is another image on this worker, one that did not come by a push';
    expect((await push()).failure?.message).toContain(words);
    notes.pulled('sha256:old', 'app:1');
    expect((await push()).failure).toMatchObject({ code: 'rejected.forbidden' });
    expect(engine.images.get('sha256:old')?.tags).toEqual(['app:1']);
    expect(engine.loads).toBe(0);
  });

  it('that a push gave is moved by who gave it, and by nobody else', async () => {
    engine.images.set('sha256:old', { tags: ['app:1'], bytes: 10 });
    notes.pushed('sha256:old', 'app:1', 'p-1');
    expect((await push(image, 'p-2')).failure?.message).toContain('one that somebody else has pushed');
    expect(await push(image, 'p-1')).toEqual({ failure: null });
    expect(engine.images.get('sha256:old')?.tags).toEqual([]);
    expect(engine.images.get(image.order.id)?.tags).toEqual(['app:1']);
  });

  it('that was taken while the image came is not given, and the image goes', async () => {
    const opened = await begin();
    await opened.write(image.bytes);
    engine.images.set('sha256:other', { tags: ['app:1'], bytes: 10 });
    opened.endInput();
    expect((await opened.ended).failure?.message).toContain('app:1 is another image');
    expect([...engine.images.keys()]).toEqual(['sha256:other']);
    expect(notes.images.size).toBe(0);
  });
});

describe('room', () => {
  it('is made by what is used least, and refused when it is not enough', async () => {
    engine.images.set('sha256:old', { tags: ['old:1'], bytes: 30_000 });
    notes.pulled('sha256:old', 'old:1');
    pushes = newPushes(40_000);
    await time.pass(1000);
    expect(await push()).toEqual({ failure: null });
    expect(engine.images.has('sha256:old')).toBe(false);
  });

  it('is refused in words before anything is sent', async () => {
    pushes = newPushes(1000);
    expect(await push()).toMatchObject({
      failure: {
        code: 'rejected.limit',
        message: expect.stringContaining('the images of the grid may take 1000 B here'),
      },
    });
    expect(engine.loads).toBe(0);
  });

  it('counts what is being pushed already', async () => {
    pushes = newPushes(30_000);
    const first = await begin();
    const other = sentImage({ config: { author: 'x' }, names: ['other:1'] });
    expect((await push(other)).failure).toMatchObject({ code: 'rejected.limit' });
    await first.write(image.bytes);
    first.endInput();
    expect(await first.ended).toEqual({ failure: null });
  });

  it('is for so many at once, and for one of a kind', async () => {
    await begin();
    expect((await push()).failure?.message).toBe('this image is being pushed to this worker already');
    for (let nth = 1; nth < 4; nth += 1) await begin(sentImage({ config: { author: `${nth}` } }));
    expect((await push(sentImage({ config: { author: 'x' } }))).failure?.message).toBe(
      '4 images are being pushed to this worker already',
    );
  });
});

describe('what is not sent to its end leaves nothing', () => {
  it('when its sender leaves', async () => {
    const leave = new AbortController();
    const opened = await begin(image, 'p-1', leave.signal);
    await opened.write(image.bytes.subarray(0, 5000));
    leave.abort();
    expect(await opened.ended).toMatchObject({ failure: { code: 'cancelled.user' } });
    await opened.gone;
    expect(engine.archives).toEqual([]);
    expect(await push()).toEqual({ failure: null });
  });

  it('when its sender leaves while the engine loads it: it is removed then', async () => {
    let letGo = (): void => undefined;
    engine.gate = new Promise((resolve) => {
      letGo = resolve;
    });
    const leave = new AbortController();
    const opened = await begin(image, 'p-1', leave.signal);
    await opened.write(image.bytes);
    opened.endInput();
    await time.pass(0);
    leave.abort();
    expect(await opened.ended).toMatchObject({ failure: { code: 'cancelled.user' } });
    letGo();
    await opened.gone;
    expect(engine.archives).toHaveLength(1);
    expect([...engine.images.keys(), ...notes.images.keys()]).toEqual([]);
  });

  it('when it ends early', async () => {
    const opened = await begin();
    await opened.write(image.bytes.subarray(0, 5000));
    opened.endInput();
    expect((await opened.ended).failure?.message).toContain('its end is missing');
    expect(engine.archives).toEqual([]);
    expect(notes.images.size).toBe(0);
  });

  it('when nothing comes for a minute', async () => {
    const opened = await begin();
    await opened.write(image.bytes.subarray(0, 5000));
    await time.pass(60_000);
    expect((await opened.ended).failure).toEqual(failure('lost.link', 'nothing came of the image for 60 s'));
  });

  it('when the engine does not take it', async () => {
    engine.words = 'no space left on device';
    expect((await push()).failure).toMatchObject({ code: 'lost.worker' });
    engine.words = 'invalid diffID for layer 0';
    expect((await push()).failure).toMatchObject({ code: 'execution.image' });
    expect([...notes.images.keys()]).toEqual([]);
  });

  it('when the engine comes to no end', async () => {
    engine.gate = new Promise(() => undefined);
    const opened = await begin();
    await opened.write(image.bytes);
    opened.endInput();
    await time.pass(30 * 60_000);
    expect((await opened.ended).failure?.message).toContain('does not come to an end with the image');
  });
});
