/** A full disk: the append says so, leaves nothing half, and succeeds when there is space again. Needs root (mount). */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openJournal } from '@gryphgen/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countingFolder, numbered } from '../conformance/journal-place.ts';

const run = promisify(execFile);
const diskBytes = 4 * 1024 * 1024;

let disk: string;
let mounted = false;

const open = () =>
  openJournal({
    dir: join(disk, 'journal'),
    folder: countingFolder,
    program: '0.1.0',
    holder: 'the test',
    wallMs: 0,
    onTrouble: (error) => {
      throw error;
    },
  });

/** Fills the disk but for `leave` bytes. */
async function fill(leave: number): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  await writeFile(join(disk, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - leave)));
}

describe('a full disk', () => {
  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'journal-full-'));
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
      mounted = true;
    } catch (error) {
      console.warn(`NOT TESTED: a full disk needs a tmpfs of its own, and mount failed: ${String(error)}`);
    }
  });
  afterAll(async () => {
    if (mounted) await run('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  it('is told, leaves nothing half, and is over when there is space', async (test) => {
    if (!mounted) return test.skip();
    const { journal } = await open();
    await journal.append({ records: numbered(1), blobs: [] });
    const head = journal.head();
    await fill(64 * 1024);
    const large = { records: new Uint8Array(512 * 1024).fill(46), blobs: [] };
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(journal.append(large)).rejects.toMatchObject({ code: 'full', message: /No space left/ });
      expect(journal.head()).toEqual(head);
    }
    // What is small still fits: the failed attempts took no space of their own.
    await journal.append({ records: numbered(2), blobs: [] });
    await rm(join(disk, 'ballast'));
    expect((await journal.append(large)).seq).toBe(3);
    await journal.append({ records: numbered(4), blobs: [] });
    await journal.close();

    const again = await open();
    expect(again.findings).toEqual([]);
    const sizes: number[] = [];
    for await (const { records } of again.groups) sizes.push(records.byteLength);
    expect(sizes).toEqual(
      [numbered(1), numbered(2), large.records, numbered(4)].map((bytes) => bytes.byteLength),
    );
    await again.journal.close();
  });
});
