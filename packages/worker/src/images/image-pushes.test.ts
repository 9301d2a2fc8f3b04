/** The rules of pushed images; the engine is played. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failure } from '@gryphgen/protocol';
import { createLog, type TransferEnd } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineImages } from './engine-images.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageNotes } from './image-notes.ts';
import { ImagePushes } from './image-pushes.ts';
import { PlayedEngine } from './played-engine.fixture.ts';
import { PlayedTime } from './played-time.fixture.ts';
import { layerOf, type SentImage, sentImage } from './pushed.fixture.ts';
import type { PushedImage } from './pushed-image.ts';

const log = createLog({ daemon: 'worker', level: 'silent' });

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
  engine = new PlayedEngine(image.order.id);
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
  const opened = (await pushes.open({ order: sent.order, principal }, left)) as PushedImage | TransferEnd;
  if (!('gone' in opened)) return opened;
  await opened.write(sent.bytes);
  opened.endInput();
  const end = await opened.ended;
  await opened.gone;
  return end;
}

describe('a push', () => {
  it('gives the image its names, notes it as the grid’s, and tells', async () => {
    const sent = sentImage({ names: ['app:1', 'docker.io/library/app:2'] });
    engine.id = sent.order.id;
    expect(await push(sent)).toEqual({ failure: null });
    expect(engine.images.get(sent.order.id)?.tags).toEqual(['app:1', 'app:2']);
    const pushedBy = { 'app:1': 'p-1', 'app:2': 'p-1' };
    expect(notes.images.get(sent.order.id)).toMatchObject({ names: ['app:1', 'app:2'], pushedBy });
    expect(told).toBe(1);
    expect(time.alarms).toBe(0);
  });

  it('of an image that is here by that name sends nothing', async () => {
    engine.images.set(image.order.id, { tags: ['mine:1', 'app:1'], bytes: 10 });
    expect(await push()).toEqual({ failure: null });
    expect(engine.loads + told).toBe(0);
  });

  it('of an image that is here gives it another name only when it was sent: an id is not the image', async () => {
    engine.images.set(image.order.id, { tags: ['secret:1'], bytes: 10 });
    const opened = await begin();
    expect(engine.images.get(image.order.id)?.tags).toEqual(['secret:1']);
    await opened.write(Buffer.alloc(image.order.configBytes));
    expect(await opened.ended).toMatchObject({ failure: { code: 'rejected.invalid' } });
    await opened.gone;
    expect(engine.images.get(image.order.id)?.tags).toEqual(['secret:1']);
    expect(await push()).toEqual({ failure: null });
    expect(engine.images.get(image.order.id)?.tags).toEqual(['secret:1', 'app:1']);
    // From here on it is known to be theirs, too.
    const other = { ...image, order: { ...image.order, names: ['app:2'] } };
    expect(await push(other)).toEqual({ failure: null });
    expect(engine.loads).toBe(2);
    expect(told).toBe(2);
  });

  it('of an image that its owner has without a name leaves it the owner’s, whatever comes of the push', async () => {
    engine.images.set(image.order.id, { tags: [], bytes: 10 });
    const leave = new AbortController();
    const opened = await begin(image, 'p-1', leave.signal);
    await opened.write(image.bytes);
    opened.endInput();
    leave.abort();
    await opened.gone;
    expect(engine.images.has(image.order.id)).toBe(true);
    expect(await push()).toEqual({ failure: null });
    expect(notes.images.size).toBe(0);
  });

  it('is taken from an engine that calls images by another digest, when its layers are those', async () => {
    engine.id = `sha256:${'a'.repeat(64)}`;
    engine.layers = (
      JSON.parse(image.config.toString()) as { rootfs: { diff_ids: string[] } }
    ).rootfs.diff_ids;
    expect(await push()).toEqual({ failure: null });
    expect(notes.images.get(engine.id)?.names).toEqual(['app:1']);
  });

  it('ends loudly when the engine has loaded something else, and that is removed', async () => {
    engine.id = `sha256:${'a'.repeat(64)}`;
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

  it('when the engine takes no more of it', async () => {
    engine.takes = false;
    const large = sentImage({ layers: [layerOf(Buffer.alloc(600_000))] });
    const opened = await begin(large);
    void opened.write(large.bytes);
    await time.pass(5 * 60_000);
    expect((await opened.ended).failure?.message).toContain('takes no more of the image');
  });
});
