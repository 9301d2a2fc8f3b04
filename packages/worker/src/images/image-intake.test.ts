import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Failure, ImageOrder } from '@gryphgen/protocol';
import { writeTarHeader } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { ImageIntake } from './image-intake.ts';
import { layerOf, platform, type SentImage, sentImage } from './pushed.fixture.ts';

/** What the engine is given of it, and what came of it. */
async function take(
  { bytes }: Pick<SentImage, 'bytes'>,
  order: ImageOrder,
  step = 4096,
): Promise<{ readonly archive: Buffer; readonly why: Failure | null }> {
  const pieces: Buffer[] = [];
  const intake = new ImageIntake(order, platform, async (piece) => void pieces.push(Buffer.from(piece)));
  let why: Failure | null = null;
  for (let at = 0; at < bytes.length && why === null; at += step)
    why = await intake.take(bytes.subarray(at, at + step));
  why ??= await intake.end();
  return { archive: Buffer.concat(pieces), why };
}

function inTar(archive: Buffer, name: string): Buffer {
  return execFileSync('tar', ['-xOf', '-', name], { input: archive });
}

const good = sentImage();

describe('an image that is what it was announced as', () => {
  it.each([1, 511, 4096, 1_000_000])('becomes an archive, in pieces of %i bytes', async (step) => {
    const { archive, why } = await take(good, good.order, step);
    expect(why).toBeNull();
    const names = execFileSync('tar', ['-tf', '-'], { input: archive }).toString().trim().split('\n');
    // Without the last the engine has nothing to load.
    expect(names).toEqual(['config.json', 'layer-0.tar', 'layer-1.tar', 'manifest.json']);
    expect(JSON.parse(inTar(archive, 'manifest.json').toString())).toEqual([
      { Config: 'config.json', RepoTags: null, Layers: ['layer-0.tar', 'layer-1.tar'] },
    ]);
    expect(inTar(archive, 'config.json')).toEqual(good.config);
    for (const [nth, layer] of good.layers.entries())
      expect(inTar(archive, `layer-${nth}.tar`)).toEqual(layer);
  });

  it('may have layers that end without the usual blocks of zeros, and empty ones', async () => {
    const bare = layerOf('x').subarray(0, 1024);
    const image = sentImage({ layers: [bare, Buffer.alloc(1024), bare] });
    expect((await take(image, image.order)).why).toBeNull();
  });
});

function withLayer(layer: Buffer): SentImage {
  return sentImage({ layers: [layer] });
}

/** One file of 4 bytes that says it is 8 EiB large. */
function sparseLayer(): Buffer {
  const records = '22 GNU.sparse.major=1\n';
  const header = writeTarHeader('x', records.length);
  header.write('x', 156);
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, Buffer.from(records), Buffer.alloc(512 - records.length), layerOf('text')]);
}

/** Gzip to the engine, a tar to whoever looks for one: its header is a comment in gzip's. */
function both(): Buffer {
  const layer = layerOf('x', '\u001f.\b');
  layer[1] = 0x8b;
  layer.write('        ', 148);
  const sum = layer.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  layer.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  layer[0] = 0x1f;
  return layer;
}

describe('an image is not taken', () => {
  const cut = { ...good, bytes: good.bytes.subarray(0, -1) };
  const swapped = { ...good, bytes: Buffer.concat([good.config, ...[...good.layers].reverse()]) };
  const flipped = { ...good, bytes: Buffer.from(good.bytes) };
  flipped.bytes[good.config.length + 600] = 1;
  const otherConfig = { ...good, bytes: Buffer.from(good.bytes) };
  otherConfig.bytes[20] = 0x20;
  const arm = sentImage({ config: { architecture: 'arm64' } });
  const fewer = sentImage({ config: { rootfs: { type: 'layers', diff_ids: [] } } });
  const noConfig = sentImage({ config: { rootfs: null } });

  it.each<[string, SentImage, string]>([
    ['whose end is missing', cut, 'its end is missing'],
    ['that goes on behind its end', { ...good, bytes: Buffer.concat([good.bytes, Buffer.of(1)]) }, 'goes on'],
    ['whose config is another', otherConfig, 'its config is that of sha256:'],
    ['of which a byte of a layer has changed', flipped, 'layer 1: it is sha256:'],
    ['whose config names fewer layers', fewer, '2 layers are announced, its config names 0'],
    ['whose config is none', noConfig, 'its config is not that of an image'],
    ['for another machine', arm, 'the image is for linux/arm64, this machine is linux/amd64'],
    ['whose layer is no tar', withLayer(Buffer.alloc(2048, 3)), 'layer 1: it is not a tar'],
    [
      'whose layer is compressed',
      withLayer(gzipSync(layerOf(randomBytes(1000)))),
      'layer 1: it is compressed',
    ],
    ['whose layer is both', withLayer(both()), 'layer 1: it is compressed'],
    ['whose layer grows without end', withLayer(sparseLayer()), 'layer 1: it has a sparse file'],
    [
      'whose layer ends within an entry',
      withLayer(layerOf('x'.repeat(600)).subarray(0, 1024)),
      'ends within an entry',
    ],
  ])('%s, and the engine gets no manifest', async (_, image, words) => {
    const { archive, why } = await take(image, image.order);
    expect(why?.message).toContain(words);
    expect(archive.includes('manifest.json')).toBe(false);
  });

  it('whose layers come in another order', async () => {
    const order = { ...good.order, layers: [...good.order.layers].reverse() };
    expect((await take(swapped, order)).why?.message).toContain('layer 1: it is sha256:');
  });
});
