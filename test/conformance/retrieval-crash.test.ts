/** A retrieval service whose process is killed at any moment of an ingest, and one whose disk is full. */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceName } from '@gryphgen/protocol';
import { openSqliteStore, RetrievalService, type SourceFile } from '@gryphgen/retrieval';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fillDisk } from '../e2e/full-disk.fixture.ts';

const kills = 20;
const diskBytes = 16 * 1024 ** 2;
const roomBytes = 16 * 1024;
const urlOf = (name: string) => new URL(name, import.meta.url);
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
const { sources, writeFiles } = (await import(urlOf('./retrieval-filling.mjs').href)) as {
  sources: readonly SourceName[];
  writeFiles: (folder: string, source: SourceName, round: number) => Promise<SourceFile[]>;
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-crash-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function syncAll(service: RetrievalService, round: number): Promise<void> {
  for (const source of sources) {
    const files = await writeFiles(join(folder, 'files'), source, round);
    expect(await service.sync('c', source, files, ingesting)).toMatchObject({ failedFiles: 0 });
  }
}

async function asked(service: RetrievalService): Promise<unknown> {
  const answers: unknown[] = [];
  for (const text of [
    'word1 word7 word49',
    'part 3',
    'f2',
    'n5.ts',
    'version0 word21',
    'version9 version25',
  ]) {
    const query = { op: 'query', collection: 'c', text, count: 200, of: 'passages' } as const;
    const answer = await service.query(query, 10_000_000);
    // The one that is compared has no vectors.
    answers.push('results' in answer ? answer.results : answer);
  }
  return answers;
}

async function checked(): Promise<readonly string[]> {
  const store = await openSqliteStore({ path: join(folder, 'kept/passages.sqlite') });
  return await store.check().finally(() => store.close());
}

/** The processes that a process began. */
function begunBy(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function isParsing(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('parse-process');
  } catch {
    return false; // it has ended
  }
}

it(`killed ${kills} times while it ingests, it is whole, and answers as one made anew`, {
  timeout: 180_000,
}, async () => {
  await mkdir(join(folder, 'files'));
  const parsing: number[] = [];
  let round = 0;
  for (let life = 0; life < kills; life += 1) {
    const child = fork(fileURLToPath(urlOf('./retrieval-killed.mjs')), [folder, String(round)], {
      execArgv: [],
    });
    const ended = once(child, 'exit');
    // After some of its syncs, and at some moment of the next.
    for (let done = 0; done <= life % 3; done += 1) [round] = (await once(child, 'message')) as [number];
    await new Promise((resolve) => setTimeout(resolve, (life * 17) % 60));
    parsing.push(...begunBy(child.pid ?? 0));
    child.kill('SIGKILL');
    await ended;
  }
  expect(await checked()).toEqual([]);
  const service = await RetrievalService.open(join(folder, 'kept'));
  await syncAll(service, round + 1);
  const answers = await asked(service);
  await service.close();
  expect(await checked()).toEqual([]);

  const anew = await RetrievalService.open(join(folder, 'anew'));
  await syncAll(anew, round + 1);
  expect(answers).toEqual(await asked(anew));
  await anew.close();
  // What parsed for a service that was killed ended too.
  expect(parsing.length).toBeGreaterThan(0);
  expect(parsing.filter(isParsing)).toEqual([]);
});

it.skipIf(process.getuid?.() !== 0)(
  'a full disk fails an ingest with the cause and leaves what was there; with room it goes on',
  async () => {
    await mkdir(join(folder, 'files'));
    const kept = join(folder, 'kept');
    await mkdir(kept);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', kept]);
    const service = await RetrievalService.open(kept);
    try {
      await syncAll(service, 1);
      const before = await asked(service);
      const ballast = await fillDisk(kept);
      const [source] = sources as [SourceName];
      const files = await writeFiles(join(folder, 'files'), source, 2);
      const failed = async () => await service.sync('c', source, files, ingesting);
      expect(await failed()).toMatchObject({
        code: 'execution.exit',
        message: expect.stringMatching(/no space/i),
      });
      // Room for the list of sources, and for nothing else.
      truncateSync(ballast, statSync(ballast).size - roomBytes);
      expect(await failed()).toMatchObject({
        code: 'execution.exit',
        message: expect.stringContaining('database'),
      });
      expect(await asked(service)).toEqual(before);
      rmSync(ballast);
      await syncAll(service, 2);
      expect(await asked(service)).not.toEqual(before);
      await service.close();
      expect(await checked()).toEqual([]);
    } finally {
      await service.close();
      execFileSync('umount', [kept]);
    }
  },
);
