import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@gryphgen/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ImageNotes } from './image-notes.ts';
import { PlayedTime } from './played-time.fixture.ts';

let folder: string;
let path: string;
let time: PlayedTime;
let warnings: string[];
const log = { ...createLog({ daemon: 'worker', level: 'silent' }) };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-images-'));
  path = join(folder, 'images.json');
  time = new PlayedTime();
  warnings = [];
  log.warn = (_fields: object, text?: string) => void warnings.push(text ?? '');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function nextLife(): Promise<ImageNotes> {
  const notes = new ImageNotes(path, { clock: time, log });
  await notes.load();
  return notes;
}

it('remembers over restarts what was pulled, by which names, and when it was last used', async () => {
  const notes = await nextLife();
  expect(warnings).toEqual([]);
  const pulledMs = time.wall();
  notes.pulled('sha256:1', 'a:1');
  notes.pulled('sha256:1', 'b:1');
  notes.pulled('sha256:1', 'a:1');
  notes.pulled('sha256:2', 'c:1');
  await time.pass(3_600_000);
  notes.used('sha256:2');
  notes.used('sha256:3');
  await notes.close();
  expect([...(await nextLife()).images]).toEqual([
    ['sha256:1', { names: ['a:1', 'b:1'], usedMs: pulledMs }],
    ['sha256:2', { names: ['c:1'], usedMs: pulledMs + 3_600_000 }],
  ]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('forgets', async () => {
  const notes = await nextLife();
  notes.pulled('sha256:1', 'a:1');
  notes.forget('sha256:1');
  await notes.close();
  expect((await nextLife()).images.size).toBe(0);
});

it('does not write for each use', async () => {
  const notes = await nextLife();
  notes.pulled('sha256:1', 'a:1');
  await notes.close();
  const before = await readFile(path, 'utf8');
  await time.pass(59_000);
  notes.used('sha256:1');
  await notes.close();
  expect(await readFile(path, 'utf8')).toBe(before);
});

it.each(['', '{"version":1,"images":{"sha256:1":', '{"version":2,"images":{}}', '[]'])(
  'that make no sense (%j) are told of and begun anew',
  async (text) => {
    await writeFile(path, text);
    const notes = await nextLife();
    expect(warnings).toEqual([expect.stringContaining('cannot be read')]);
    expect(notes.images.size).toBe(0);
    notes.pulled('sha256:1', 'a:1');
    await notes.close();
    expect((await nextLife()).images.size).toBe(1);
    expect(warnings).toHaveLength(1);
  },
);

it('tells of a disk that refuses, and goes on', async () => {
  const notes = await nextLife();
  await rm(folder, { recursive: true });
  notes.pulled('sha256:1', 'a:1');
  await notes.close();
  expect(warnings).toEqual(['pulled images cannot be noted']);
  expect(notes.images.size).toBe(1);
});
