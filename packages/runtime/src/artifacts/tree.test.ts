import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { pieceBytes } from './manifest.ts';
import { noise, scannedFile } from './store.fixture.ts';
import { copyOut } from './tree.ts';

it.each([
  ['in the middle of a chunk', pieceBytes + 10],
  ['between two', pieceBytes],
])('a content that was cut %s is not copied as if it were whole', async (_, bytes) => {
  const { manifest, sources } = await scannedFile(noise(2 * pieceBytes));
  const fileOf = (id: string): string => sources.get(id) ?? '';
  for (const path of sources.values()) truncateSync(path, bytes);
  await expect(copyOut(manifest, fileOf, join(scratchFolder(), 'copy'))).rejects.toThrow('shorter');
});
