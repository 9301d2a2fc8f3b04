/** What the tests of images share: a container executor, images that nobody else has, and the engine as it was before. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Envelope, encodeBody } from '@gryphgen/protocol';
import type { ContainerExecutor, Fence, ImageStoreOptions } from '@gryphgen/worker';
import { expect } from 'vitest';
import { makePlace, newFence, orderOf, type Place, textOf } from '../conformance/executor-suite.ts';
import { createContainerExecutor, docker, leftovers } from './executor-container-place.ts';
import { type PushedImage, tarOf } from './registry.fixture.ts';

const busybox = readFileSync('/bin/busybox');
const applets = ['sh', 'echo', 'sleep', 'cat'];

/** With a shell, and `bytes` that do not shrink: no engine has its layer. */
export function freshImage({ bytes = 1000, machine = 'this' as 'this' | 'arm64' } = {}): PushedImage {
  const program = Buffer.from(busybox);
  // e_machine of its ELF header: AArch64.
  if (machine === 'arm64') program.writeUInt16LE(183, 18);
  const links = applets.map((name) => [`bin/${name}`, { link: 'busybox' }] as const);
  const layers = [
    tarOf({
      'bin/': Buffer.alloc(0),
      'bin/busybox': program,
      ...Object.fromEntries(links),
      'tmp/': Buffer.alloc(0),
    }),
    tarOf({ 'data/': Buffer.alloc(0), 'data/noise': randomBytes(bytes) }),
  ];
  return machine === 'this' ? { layers } : { layers, architecture: 'arm64' };
}

/** A worker's container executor, from its start to its end. */
export class ImagePlace {
  place: Place;
  executor: ContainerExecutor;
  private readonly newExecutor: (place: Place) => ContainerExecutor;
  private readonly fences: Fence[] = [];

  private constructor(place: Place, newExecutor: (place: Place) => ContainerExecutor) {
    this.place = place;
    this.newExecutor = newExecutor;
    this.executor = newExecutor(place);
  }

  static async open(images: Partial<ImageStoreOptions> = {}, home?: string): Promise<ImagePlace> {
    const first = await makePlace();
    const folder = home ?? first.folder;
    const opened = new ImagePlace(first, (place) =>
      createContainerExecutor(place, docker, join(folder, 'containers'), undefined, { folder, ...images }),
    );
    expect(await opened.executor.probe()).toBe(true);
    expect(await opened.executor.adopt()).toEqual([]);
    return opened;
  }

  /** The worker ends and starts again, with nothing but its home and the engine to remember by. */
  async nextLife(): Promise<void> {
    await this.executor.close();
    await this.place.logs.close();
    await rm(this.place.folder, { recursive: true });
    this.place = await makePlace();
    this.executor = this.newExecutor(this.place);
    expect(await this.executor.probe()).toBe(true);
    expect(await this.executor.adopt()).toHaveLength(1);
  }

  start(image: string, body: Record<string, unknown> = {}, over: Partial<Envelope> = {}): Fence {
    const fence = newFence();
    this.fences.push(fence);
    const command = ['sh', '-c', 'echo it runs'];
    this.executor.start(orderOf('container', fence, encodeBody({ image, command, ...body }), over));
    return fence;
  }

  /** Its log, when it has run to a good end. */
  async succeeded(fence: Fence): Promise<string> {
    const told = await Promise.race([
      this.place.events.find('exited', fence),
      this.place.events.find('startFailed', fence),
    ]);
    expect(told).toMatchObject({ kind: 'exited', exit: { exitCode: 0, failure: null } });
    return await this.log(fence);
  }

  async run(image: string, body: Record<string, unknown> = {}): Promise<string> {
    const fence = this.start(image, body);
    const log = await this.succeeded(fence);
    this.executor.forget(fence);
    return log;
  }

  /** Why it did not start. */
  async refused(fence: Fence) {
    return (await this.place.events.find('startFailed', fence)).failure;
  }

  log(fence: Fence, until?: RegExp): Promise<string> {
    return textOf(this.place.logs, fence, until);
  }

  async close(): Promise<void> {
    for (const fence of this.fences) this.executor.forget(fence);
    await this.executor.close();
    await this.place.logs.close();
    await rm(this.place.folder, { recursive: true });
    expect(await leftovers()).toEqual([]);
  }
}

export async function imageIds(): Promise<readonly string[]> {
  return (await docker.listImages()).map(({ Id }) => Id).sort();
}

export async function hasImage(name: string): Promise<boolean> {
  const images = await docker.listImages();
  return images.some(({ RepoTags, RepoDigests }) =>
    [...(RepoTags ?? []), ...(RepoDigests ?? [])].includes(name),
  );
}

/** All that came from this registry. */
export async function removeImagesOf(host: string): Promise<void> {
  for (const { Id, RepoTags, RepoDigests } of await docker.listImages()) {
    const names = [...(RepoTags ?? []), ...(RepoDigests ?? [])];
    if (names.some((name) => name.startsWith(`${host}/`))) await docker.getImage(Id).remove({ force: true });
  }
}
