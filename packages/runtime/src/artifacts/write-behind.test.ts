import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { afterTest, scratchFolder } from '../scratch.fixture.ts';
import { mebi, noise } from './store.fixture.ts';
import { WriteBehind } from './write-behind.ts';

async function opened(path: string, flags = 'w+'): Promise<FileHandle> {
  const file = await open(path, flags);
  afterTest(() => file.close());
  return file;
}

describe('writing behind', () => {
  it('writes what was brought where it belongs, however it was cut', async () => {
    const path = join(scratchFolder(), 'file');
    const content = noise(20 * mebi);
    const writer = new WriteBehind(await opened(path));
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
