import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { afterTest, scratchFolder } from '../scratch.fixture.ts';
import { type BatchPair, DirectMemory, openDirect } from './direct-writes.ts';
import { mebi, noise } from './store.fixture.ts';
import { WriteBehind } from './write-behind.ts';

async function opened(path: string, flags = 'w+'): Promise<FileHandle> {
  const file = await open(path, flags);
  afterTest(() => file.close());
  return file;
}

/** Memory that no disk takes directly. */
function misaligned(): BatchPair {
  const pair = Buffer.allocUnsafeSlow(2 * mebi + 1);
  return [pair.subarray(1, mebi + 1), pair.subarray(mebi + 1)];
}

/** Past the page cache, where the folder for temporary files is on a disk that can do so. */
async function openedDirect(path: string, batches: BatchPair): Promise<WriteBehind> {
  const file = await opened(path);
  const direct = await openDirect(path);
  afterTest(() => direct?.close());
  return new WriteBehind(file, direct && { file: direct, batches });
}

describe('writing behind', () => {
  it.each<[string, (path: string) => Promise<WriteBehind>]>([
    ['', async (path) => new WriteBehind(await opened(path))],
    [', past the page cache', (path) => openedDirect(path, new DirectMemory().lend() ?? misaligned())],
    [', where the disk does not take that', (path) => openedDirect(path, misaligned())],
  ])('writes what was brought where it belongs, however it was cut%s', async (_, open) => {
    const path = join(scratchFolder(), 'file');
    const content = noise(20 * mebi + 5);
    const writer = await open(path);
    const sizes = [1, 4095, 65_536, 700_001, 3 * mebi];
    for (let at = 0, nth = 0; at < content.length; nth += 1) {
      const part = content.subarray(at, at + (sizes[nth % sizes.length] ?? 1));
      await writer.write(part, at);
      at += part.length;
    }
    await writer.settle();
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('leaves holes where nothing was brought, and goes back', async () => {
    const path = join(scratchFolder(), 'file');
    const writer = new WriteBehind(await opened(path));
    await writer.write(Buffer.from('end'), 2 * mebi);
    await writer.write(Buffer.from('begin'), 0);
    await writer.settle();
    const written = readFileSync(path);
    expect(written.length).toBe(2 * mebi + 3);
    expect(written.subarray(0, 6)).toEqual(Buffer.from('begin\0'));
    expect(written.subarray(-4)).toEqual(Buffer.from('\0end'));
  });

  it('has copied what it was brought: its taker may use that for something else', async () => {
    const path = join(scratchFolder(), 'file');
    const writer = new WriteBehind(await opened(path));
    const bytes = Buffer.from('as it was');
    await writer.write(bytes, 0);
    bytes.fill('x');
    await writer.settle();
    expect(readFileSync(path, 'utf8')).toBe('as it was');
  });

  it('tells what went wrong behind its caller, and goes on telling it', async () => {
    const writer = new WriteBehind(await opened('/dev/full', 'w'));
    const bytes = Buffer.alloc(mebi);
    await expect(
      (async () => {
        for (let at = 0; at < 4 * mebi; at += mebi) await writer.write(bytes, at);
      })(),
    ).rejects.toThrow('ENOSPC');
    await expect(writer.write(Buffer.of(1), 0)).rejects.toThrow('ENOSPC');
    await expect(writer.settle()).rejects.toThrow('ENOSPC');
  });
});

describe('memory for writes past the page cache', () => {
  it('is lent to so many at a time, and again when it was given back', () => {
    const memory = new DirectMemory();
    const lent: BatchPair[] = [];
    for (let pair = memory.lend(); pair !== undefined; pair = memory.lend()) lent.push(pair);
    expect(lent.length).toBe(16);
    const places = lent
      .flat()
      .map(({ buffer, byteOffset }) => (buffer === lent[0]?.[0].buffer ? byteOffset : -1));
    expect(new Set(places).size).toBe(32);
    expect(places.every((place) => place >= 0 && place % 4096 === 0)).toBe(true);
    const [first, second] = lent;
    if (first === undefined || second === undefined) throw new Error('none was lent');
    memory.giveBack(second);
    expect(memory.lend()).toBe(second);
    expect(memory.lend()).toBe(undefined);
  });
});
