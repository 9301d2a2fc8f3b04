import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { scanPath } from './scan-path.ts';

it('a folder with too much in it is refused before anything in it is looked at', async () => {
  const root = scratchFolder();
  mkdirSync(join(root, 'full'));
  // Looked at, it would be refused for where it leads.
  symlinkSync('/etc/passwd', join(root, 'full', '0'));
  for (const name of ['1', '2', '3']) writeFileSync(join(root, 'full', name), name);
  expect(await scanPath(root, { maxEntries: 4 })).toEqual({
    code: 'rejected.limit',
    message: `${root}: there are more than 4 files and folders`,
  });
  expect(await scanPath(root, { maxEntries: 5 })).toMatchObject({ code: 'rejected.invalid' });
});

it('a file that is too large is refused before it is read, however little of the disk it takes', async () => {
  const path = join(scratchFolder(), 'sparse');
  writeFileSync(path, '');
  const giga = 1024 ** 3;
  truncateSync(path, 20 * giga);
  let read = 0;
  const onRead = (bytes: number): void => {
    read = bytes;
  };
  expect(await scanPath(path, { maxBytes: giga, onRead })).toEqual({
    code: 'rejected.limit',
    message: `${path}: there are more than ${giga} bytes`,
  });
  truncateSync(path, 300 * giga);
  expect(await scanPath(path, { onRead })).toMatchObject({ code: 'rejected.limit' });
  expect(read).toBe(0);
});
