import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { GridError } from '@gryphgen/protocol';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readImageArchive } from './image-archive.ts';

let folder: string;
let file: FileHandle | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-archive-'));
});

afterEach(async () => {
  await file?.close();
  file = undefined;
  await rm(folder, { recursive: true });
});

type Entry = Buffer | { readonly link: string };

function tarOf(entries: readonly (readonly [string, Entry])[]): Buffer {
  const parts = entries.flatMap(([name, entry]) => {
    const content = Buffer.isBuffer(entry) ? entry : Buffer.alloc(0);
    const header = writeTarHeader(name, content.length);
    if (!Buffer.isBuffer(entry)) {
      header.write('2', 156);
      header.write(entry.link, 157);
      header.write('        ', 148);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    }
    return [header, content, Buffer.alloc(tarPadding(content.length))];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

async function read(archive: Buffer) {
  const path = join(folder, 'a.tar');
  await writeFile(path, archive);
  file = await open(path, 'r');
  return await readImageArchive(file);
}

async function bytesOf(image: { bytes(): AsyncIterable<Uint8Array> } | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of image?.bytes() ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

const one = tarOf([['one', Buffer.alloc(300_000, 1)]]);
const two = tarOf([['two', Buffer.from('2')]]);
const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'arm64', rootfs: {} }));
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const manifest = { Config: 'c.json', RepoTags: ['app:1'], Layers: ['a/layer.tar', 'b/layer.tar'] };
const whole = [
  ['a/', Buffer.alloc(0)],
  ['a/layer.tar', one],
  ['b/layer.tar', two],
  ['c.json', config],
  ['manifest.json', json([manifest])],
] as const;

describe('an archive of docker save', () => {
  it('tells its image, and gives its bytes as often as asked for', async () => {
    const [image] = await read(tarOf(whole));
    expect(image).toMatchObject({
      id: `sha256:${createHash('sha256').update(config).digest('hex')}`,
      names: ['app:1'],
      platform: 'linux/arm64',
      configBytes: config.length,
      layers: [one.length, two.length],
    });
    for (let times = 0; times < 2; times += 1)
      expect((await bytesOf(image)).equals(Buffer.concat([config, one, two]))).toBe(true);
  });

  it('may hold a layer once that is in an image twice', async () => {
    const linked = whole.map(([name, entry]) =>
      name === 'b/layer.tar' ? ([name, { link: '../a/layer.tar' }] as const) : ([name, entry] as const),
    );
    const [image] = await read(tarOf(linked));
    expect((await bytesOf(image)).equals(Buffer.concat([config, one, one]))).toBe(true);
  });

  it('may hold compressed layers: they are sent as they are unpacked', async () => {
    const packed = whole.map(
      ([name, entry]) => [name, name === 'a/layer.tar' ? gzipSync(one) : entry] as const,
    );
    const [image] = await read(tarOf(packed));
    expect(image?.layers).toEqual([one.length, two.length]);
    expect((await bytesOf(image)).equals(Buffer.concat([config, one, two]))).toBe(true);
  });

  it('may hold several images, and some without a name', async () => {
    const images = [manifest, { ...manifest, RepoTags: null, Layers: ['b/layer.tar'] }];
    const found = await read(tarOf([...whole.slice(0, 4), ['manifest.json', json(images)]]));
    expect(found.map(({ names, layers }) => [names, layers.length])).toEqual([
      [['app:1'], 2],
      [[], 1],
    ]);
  });
});

describe('what is no such archive is told', () => {
  const without = (name: string) => tarOf(whole.filter(([each]) => each !== name));
  const changed = (name: string, entry: Entry) =>
    tarOf(whole.map(([each, before]) => [each, each === name ? entry : before] as const));

  it.each<[string, Buffer, string]>([
    ['something else', Buffer.from('hello, this is no tar'.repeat(100)), 'it is not a tar'],
    ['nothing', Buffer.alloc(0), 'it has no manifest.json'],
    [
      'one that is cut',
      tarOf(whole).subarray(0, 200_000),
      'it has no manifest.json: is it made by docker save?',
    ],
    ['one that is cut in a header', tarOf(whole).subarray(0, 700), 'its end is missing'],
    ['one without a manifest', without('manifest.json'), 'it has no manifest.json'],
    ['one without a layer', without('b/layer.tar'), 'it has no b/layer.tar'],
    [
      'one with a broken manifest',
      changed('manifest.json', Buffer.from('{')),
      'its manifest.json makes no sense',
    ],
    ['one without images', changed('manifest.json', json([])), 'it holds no image'],
    ['one with a broken config', changed('c.json', Buffer.from('[]')), 'its config c.json makes no sense'],
    ['one that links in a circle', changed('b/layer.tar', { link: 'layer.tar' }), 'a link without an end'],
    ['one of zstd', changed('b/layer.tar', Buffer.from('28b52ffd00000000', 'hex')), 'compressed with zstd'],
    ['one of broken gzip', changed('b/layer.tar', Buffer.from('1f8b08000000', 'hex')), 'cannot be unpacked'],
  ])('%s', async (_, archive, words) => {
    const error = await read(archive).catch((why: unknown) => why);
    expect(error).toBeInstanceOf(GridError);
    expect(error).toMatchObject({ code: 'rejected.invalid', message: expect.stringContaining(words) });
  });
});
