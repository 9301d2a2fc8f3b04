import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refuseForeign } from './unit-place.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-unit-place-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('a service is given no folder that is not its grid’s own', () => {
  expect(() => refuseForeign('/')).toThrow('is no folder of a grid');
  expect(() => refuseForeign('/not-there')).toThrow('is no folder of a grid');
  const home = join(folder, 'home');
  refuseForeign(home);
  mkdirSync(home);
  writeFileSync(join(home, 'config.json'), '{}');
  refuseForeign(home);
  writeFileSync(join(home, 'photo.jpg'), '');
  expect(() => refuseForeign(home)).toThrow('(it holds photo.jpg)');
  mkdirSync(join(home, 'keys'));
  refuseForeign(home);
});
