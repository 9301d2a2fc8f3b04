/** Archives as releases of llama.cpp come, and as nobody should send them. */
import { readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newFolder, removeFolder } from '../artifacts/folder.fixture.ts';
import { unpackEngine } from './unpack-engine.ts';

let folder: string;
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

interface Packed {
  readonly name: string;
  /** Of a link: where it leads. */
  readonly content?: string;
  readonly mode?: number;
  /** Instead of the content's. */
  readonly bytes?: number;
}
const [program, link, plain] = [0o100755, 0o120777, 0o100644];
const server: Packed = { name: 'llama-b7/llama-server', content: '#!/bin/sh\n', mode: program };

function zipOf(entries: readonly Packed[]): Buffer {
  const parts: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { name, content = '', mode = plain } of entries) {
    const packed = deflateRawSync(content);
    const sizes = Buffer.alloc(16);
    sizes.writeUInt32LE(packed.length, 4);
    sizes.writeUInt32LE(content.length, 8);
    sizes.writeUInt16LE(name.length, 12);
    const begin = Buffer.from('504b0304140000000800', 'hex');
    parts.push(Buffer.concat([begin, Buffer.alloc(4), sizes, Buffer.from(name), packed]));
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE((mode << 16) >>> 0, 6);
    entry.writeUInt32LE(at, 10);
    central.push(
      Buffer.concat([
        Buffer.from('504b01021403140000000800', 'hex'),
        Buffer.alloc(4),
        sizes,
        entry,
        Buffer.from(name),
      ]),
    );
    at += parts.at(-1)?.length ?? 0;
  }
  const all = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(all.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, all, end]);
}

function tarOf(entries: readonly Packed[]): Buffer {
  const parts = entries.flatMap(({ name, content = '', mode = plain, bytes }) => {
    if (mode === link) {
      const target = Buffer.from(`${content}\0`);
      const long = writeTarHeader('././@LongLink', target.length, 'K');
      return [long, target, Buffer.alloc(tarPadding(target.length)), writeTarHeader(name, 0, '2')];
    }
    if (name.endsWith('/')) return [writeTarHeader(name, 0, '5')];
    // As tar itself says a name that is too long for a header.
    const long = Buffer.from(`${name}\0`);
    const named = [
      writeTarHeader('././@LongLink', long.length, 'L'),
      long,
      Buffer.alloc(tarPadding(long.length)),
    ];
    const header = writeTarHeader(name, bytes ?? content.length, '0', mode === program);
    return [
      ...(name.length > 100 ? named : []),
      header,
      Buffer.from(content),
      Buffer.alloc(tarPadding(content.length)),
    ];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}

async function unpack(bytes: Buffer) {
  const archive = join(folder, 'archive');
  await writeFile(archive, bytes);
  return await unpackEngine(archive, join(folder, 'engine'));
}

describe.each([
  ['a .tar.gz', tarOf],
  ['a .zip', zipOf],
])('%s', (_, pack) => {
  it('is unpacked as it is, with its links, whether its folders are told or not', async () => {
    const library = { name: 'llama-b7/lib/libllama.so.1', content: 'code', mode: plain };
    const linked = { name: 'llama-b7/lib/libllama.so', content: 'libllama.so.1', mode: link };
    const deep = { name: `llama-b7/${'deep/'.repeat(30)}LICENSE`, content: 'free' };
    expect(await unpack(pack([server, library, linked, deep]))).toBe('llama-b7/llama-server');
    const root = join(folder, 'engine/llama-b7');
    expect((await stat(join(root, 'llama-server'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(root, 'lib/libllama.so.1'))).mode & 0o777).toBe(0o600);
    expect(await readlink(join(root, 'lib/libllama.so'))).toBe('libllama.so.1');
    expect(await readFile(join(root, 'deep/'.repeat(30), 'LICENSE'), 'utf8')).toBe('free');
  });

  it('may have it at its top, and folders of its own', async () => {
    expect(await unpack(pack([{ name: 'lib/' }, { ...server, name: 'llama-server' }]))).toBe('llama-server');
  });

  it.each<[string, readonly Packed[], RegExp]>([
    [
      'has a name that leads out of it',
      [{ ...server, name: '../llama-server' }],
      /leads out of it|invalid relative path/,
    ],
    [
      'has a link that leads out of it',
      [server, { name: 'llama-b7/x', content: '../../../x', mode: link }],
      /is a link that leads out/,
    ],
    [
      'has a link to anywhere',
      [server, { name: 'llama-b7/x', content: '/etc', mode: link }],
      /is a link that leads out/,
    ],
    [
      'goes through a link',
      [server, { name: 'llama-b7/x', content: '.', mode: link }, { name: 'llama-b7/x/y', content: 'z' }],
      /goes through a link/,
    ],
    ['has none', [{ ...server, name: 'llama-cli' }], /it has no llama-server/],
    ['has two', [server, { ...server, name: 'other/llama-server' }], /it has 2 of llama-server/],
  ])('is refused when it %s, and leaves nothing', async (_name, entries, words) => {
    expect(await unpack(pack(entries))).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringMatching(words),
    });
    expect(await readdir(folder)).toEqual(['archive']);
  });
});

it('is refused when it would be larger than any engine', async () => {
  const huge = { ...server, bytes: 9 * 1024 ** 3 };
  expect(await unpack(tarOf([huge]))).toMatchObject({ code: 'rejected.limit' });
});

it.each([
  ['a page', Buffer.from('<!doctype html>'), /expected a .tar.gz or a .zip/],
  ['cut off', tarOf([{ ...server, content: 'x'.repeat(5000) }]).subarray(0, 90), /cannot be unpacked/],
  ['a zip that is cut off', zipOf([server]).subarray(0, 60), /cannot be unpacked/],
])('is refused when it is %s', async (_, bytes, words) => {
  expect(await unpack(bytes)).toMatchObject({ message: expect.stringMatching(words) });
  expect(await readdir(folder)).toEqual(['archive']);
});
