import { lstat, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newFolder, removeFolder } from './folder.fixture.ts';
import { unpackArchive } from './unpack-archive.ts';

let folder: string;
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

interface Entry {
  readonly name: string;
  readonly type?: string;
  readonly content?: Buffer;
  readonly target?: string;
  readonly mode?: string;
}

function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ name, type = '0', content = Buffer.alloc(0), target = '', mode = '' }) => {
    const header = writeTarHeader(name, content.length);
    header.write(type, 156, 'latin1');
    header.write(target, 157, 'latin1');
    if (mode !== '') header.write(mode, 100, 'latin1');
    header.write('        ', 148, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return [header, content, Buffer.alloc(tarPadding(content.length))];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** In pieces that end where they like. */
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const unpack = (entries: readonly Entry[], size = 700) =>
  unpackArchive(inPieces(tarOf(entries), size), join(folder, 'root'));

describe('what a container left', () => {
  it.each([1, 511, 512, 70_000])('is unpacked as it was, in pieces of %d bytes', async (size) => {
    const content = Buffer.concat([Buffer.from('a'), Buffer.alloc(3000), Buffer.from('z')]);
    const entries = [
      { name: 'result/', type: '5' },
      { name: 'result/sub/', type: '5' },
      { name: 'result/sub/file', content, mode: '0000755' },
      { name: 'result/empty' },
      { name: 'result/link', type: '2', target: 'sub/file' },
      { name: 'result/same', type: '1', target: 'result/sub/file' },
    ];
    expect(await unpack(entries, size)).toBe(null);
    const root = join(folder, 'root');
    expect((await readFile(join(root, 'sub/file'))).equals(content)).toBe(true);
    expect((await readFile(join(root, 'same'))).equals(content)).toBe(true);
    expect(await readlink(join(root, 'link'))).toBe('sub/file');
    expect((await stat(join(root, 'empty'))).size).toBe(0);
    expect((await stat(join(root, 'sub/file'))).mode & 0o100).toBe(0o100);
    expect((await stat(join(root, 'empty'))).mode & 0o100).toBe(0);
  });

  it('is one file, with its zeros as holes', async () => {
    expect(await unpack([{ name: 'big', content: Buffer.alloc(8 * 1024 * 1024) }], 65_536)).toBe(null);
    const found = await lstat(join(folder, 'root'));
    expect(found.size).toBe(8 * 1024 * 1024);
    expect(found.blocks).toBe(0);
  });
});

describe('what leads elsewhere is refused', () => {
  const root = { name: 'r/', type: '5' };
  it.each<[string, readonly Entry[], string]>([
    ['a name that goes up', [root, { name: 'r/../../x' }], 'leads out'],
    [
      'a file behind a link',
      [root, { name: 'r/l', type: '2', target: '/tmp' }, { name: 'r/l/x' }],
      'goes through a link',
    ],
    [
      'a hard link elsewhere',
      [root, { name: 'r/x', type: '1', target: 'r/../../../etc/passwd' }],
      'leads out',
    ],
    [
      'a hard link behind a link',
      [root, { name: 'r/l', type: '2', target: '/etc' }, { name: 'r/x', type: '1', target: 'r/l/passwd' }],
      'leads out',
    ],
    ['a link itself', [{ name: 'r', type: '2', target: '/etc/passwd' }], 'it is a link'],
    ['a device', [root, { name: 'r/null', type: '3' }], 'no file, folder or link'],
    ['a pipe', [{ name: 'r', type: '6' }], 'no file, folder or link'],
  ])('%s', async (_, entries, words) => {
    expect(await unpack(entries)).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining(words),
    });
  });

  it('an archive that is cut', async () => {
    const cut = tarOf([{ name: 'r', content: Buffer.alloc(5000, 1) }]).subarray(0, 3000);
    expect(await unpackArchive(inPieces(cut, 512), join(folder, 'root'))).toMatchObject({
      message: 'its end is missing',
    });
  });
});
