/**
 * What every journal must do, whatever it keeps its groups in: the broker relies on these and on nothing else.
 * An implementation calls `journalConformance` with how to open one.
 */
import { createHash } from 'node:crypto';
import type { Folder, Group, GroupRow, JournalBlob, OpenedJournal } from '@gryphgen/broker';
import { JournalError } from '@gryphgen/broker';
import type { BlobHash, TaskId } from '@gryphgen/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** One empty place that a journal can be opened in again and again. */
export interface JournalPlace {
  open(): Promise<OpenedJournal>;
  /** What the journal folds with. */
  readonly folder: Folder<unknown>;
  /**
   * The records of a group that ends task `n`: each different, each foldable. It needs the blob `needs` until ten more
   * groups have come.
   */
  records(n: number, needs?: BlobHash): Uint8Array;
  /** Called while it is closed: the next opening finds a snapshot of at least the first group. */
  fold(): Promise<void>;
  /** True where a second opening is refused while the first lasts; else it fences the first off. */
  readonly exclusive: boolean;
  remove(): Promise<void>;
}

const genesis = '0'.repeat(64);

export function journalConformance(name: string, make: () => Promise<JournalPlace>): void {
  describe(`journal: ${name}`, () => {
    let place: JournalPlace;
    let opened: OpenedJournal[] = [];

    const open = async () => {
      const journal = await place.open();
      opened.push(journal);
      return journal;
    };
    const group = (n: number, blobs: readonly JournalBlob[] = []): Group => ({
      records: place.records(n),
      blobs,
    });
    const appended = async (count: number) => {
      const { journal } = await open();
      for (let n = 1; n <= count; n += 1) await journal.append(group(n));
      return journal;
    };

    beforeEach(async () => {
      opened = [];
      place = await make();
    });
    afterEach(async () => {
      for (const { journal } of opened) await journal.close();
      await place.remove();
    });

    it('begins empty, at the head before all commits', async () => {
      const { journal, snapshot, groups, findings } = await open();
      expect(journal.head()).toEqual({ seq: 0, digest: genesis });
      expect(snapshot).toBeNull();
      expect(findings).toEqual([]);
      expect(await all(groups)).toEqual([]);
    });

    it('answers each append with the next head', async () => {
      const { journal } = await open();
      const first = await journal.append(group(1));
      const second = await journal.append(group(2));
      expect([first.seq, second.seq]).toEqual([1, 2]);
      expect(first.digest).toMatch(/^[0-9a-f]{64}$/);
      expect(second.digest).not.toBe(first.digest);
      expect(journal.head()).toEqual(second);
    });

    it('replays what was appended, in order, in the epoch it was appended in', async () => {
      const first = await appended(3);
      await first.close();
      const second = await open();
      expect(second.journal.epoch).toBeGreaterThan(first.epoch);
      expect(second.journal.head()).toEqual(first.head());
      expect(plain(await all(second.groups))).toEqual(
        [1, 2, 3].map((n) => ({ seq: n, epoch: first.epoch, records: [...place.records(n)] })),
      );
      await second.journal.append(group(4));
      await second.journal.close();
      const third = await open();
      expect((await all(third.groups)).map(({ epoch }) => epoch)).toEqual([
        ...[1, 2, 3].map(() => first.epoch),
        second.journal.epoch,
      ]);
    });

    it('takes a higher epoch at each opening, appended or not', async () => {
      const epochs: number[] = [];
      for (let n = 0; n < 4; n += 1) {
        const { journal } = await open();
        epochs.push(journal.epoch);
        await journal.close();
      }
      expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
    });

    it('gives one opener the journal at a time', async () => {
      const first = await appended(1);
      if (place.exclusive) {
        await expect(open()).rejects.toMatchObject({ code: 'locked' });
        expect((await first.append(group(2))).seq).toBe(2);
        return;
      }
      const second = await open();
      await expect(first.append(group(2))).rejects.toMatchObject({ code: 'fenced' });
      expect(second.journal.head().seq).toBe(1);
      expect((await second.journal.append(group(2))).seq).toBe(2);
    });

    it('takes one append at a time', async () => {
      const { journal } = await open();
      const first = journal.append(group(1));
      expect(() => journal.append(group(2))).toThrow(/in flight/);
      expect((await first).seq).toBe(1);
      expect((await journal.append(group(2))).seq).toBe(2);
    });

    it('refuses an append once closed', async () => {
      const journal = await appended(1);
      await journal.close();
      await journal.close();
      await expect(journal.append(group(2))).rejects.toBeInstanceOf(JournalError);
    });

    it('finishes the append in flight before it closes', async () => {
      const { journal } = await open();
      const appending = journal.append(group(1));
      await journal.close();
      expect((await appending).seq).toBe(1);
      expect((await open()).journal.head().seq).toBe(1);
    });

    it('keeps blobs by their hash, the same one once', async () => {
      const { journal } = await open();
      const [a, b] = [blob('a'), blob('')];
      await journal.append(group(1, [a, b]));
      await journal.append(group(2, [a]));
      await journal.close();
      const again = await open();
      expect(again.findings).toEqual([]);
      for (const { hash, bytes } of [a, b])
        expect(bytesOf(await again.journal.blob(hash))).toEqual([...bytes]);
      expect(await again.journal.blob(blob('c').hash)).toBeUndefined();
    });

    it('leaves the caller its buffers', async () => {
      const { journal } = await open();
      const pool = new Uint8Array(1000);
      pool.set(place.records(1), 100);
      const records = pool.subarray(100, 100 + place.records(1).byteLength);
      const body = blob('body');
      await journal.append({ records, blobs: [body] });
      expect(pool.byteLength).toBe(1000);
      expect(body.bytes.byteLength).toBe(4);
      await journal.close();
      expect(plain(await all((await open()).groups))[0]?.records).toEqual([...place.records(1)]);
    });

    it('knows the digests of its commits, and tells a cut tail from another history', async () => {
      const { journal } = await open();
      const heads = [];
      for (let n = 1; n <= 3; n += 1) heads.push(await journal.append(group(n)));
      for (const head of heads) {
        expect(await journal.digestAt(head.seq)).toBe(head.digest);
        expect(await journal.checkWitness(head)).toBe('known');
      }
      expect(await journal.digestAt(4)).toBeUndefined();
      expect(await journal.checkWitness({ seq: 4, digest: 'f'.repeat(64) })).toBe('cut');
      expect(await journal.checkWitness({ seq: 2, digest: 'f'.repeat(64) })).toBe('diverged');
      expect(await journal.checkWitness({ seq: 0, digest: genesis })).toBe('known');
    });

    it('makes of a snapshot and what follows it the state that all groups make', async () => {
      const { folder } = place;
      const first = await appended(20);
      const heads = await Promise.all([1, 10, 20].map((seq) => first.digestAt(seq)));
      await first.close();
      await place.fold();
      const { journal, snapshot, groups } = await open();
      expect(snapshot).not.toBeNull();
      const state = folder.load(snapshot!.bytes);
      for (const { epoch, records } of await all(groups)) folder.applyGroup(state, epoch, records);
      const expected = folder.empty();
      for (let n = 1; n <= 20; n += 1) folder.applyGroup(expected, first.epoch, place.records(n));
      expect(folder.save(state)).toEqual(folder.save(expected));
      expect(await Promise.all([1, 10, 20].map((seq) => journal.digestAt(seq)))).toEqual(heads);
    });

    it('answers for tasks that ended, newest first, page by page', async () => {
      const journal = await appended(5);
      const { rows, next } = await journal.history({ limit: 2 });
      expect(rows.map(({ task }) => task)).toEqual([5, 4]);
      const rest = await journal.history({ limit: 10, before: next! });
      expect(rest.rows.map(({ task }) => task)).toEqual([3, 2, 1]);
      expect(rest.next).toBeNull();
      const odd = await journal.history({ limit: 10, principal: 'p-1' });
      expect(odd.rows.map(({ task }) => task)).toEqual([5, 3, 1]);
      expect(await journal.historyOf(3 as TaskId)).toMatchObject({ task: 3 });
      expect(await journal.historyOf(99 as TaskId)).toBeUndefined();
      await journal.append(group(6));
      expect((await journal.history({ limit: 1 })).rows.map(({ task }) => task)).toEqual([6]);
    });

    it('lets blobs go that no task needs, but none that was named again', async () => {
      const shared = blob('shared');
      const own = (n: number) => blob(`own ${n}`);
      for (let round = 0; round < 6; round += 1) {
        const { journal, findings } = await open();
        expect(findings).toEqual([]);
        for (let n = round * 10 + 1; n <= round * 10 + 10; n += 1) {
          const one = n % 7 === 0 ? shared : own(n);
          await journal.append({ records: place.records(n, one.hash), blobs: [one] });
        }
        await journal.close();
        await place.fold();
      }
      const { journal, findings } = await open();
      expect(findings).toEqual([]);
      expect(await journal.blob(own(1).hash)).toBeUndefined();
      expect(await journal.blob(own(20).hash)).toBeUndefined();
      for (let n = 51; n <= 60; n += 1) {
        if (n % 7 !== 0) expect(bytesOf(await journal.blob(own(n).hash))).toEqual([...own(n).bytes]);
      }
      expect(await journal.blob(shared.hash)).toBeDefined();
    });

    it('takes a blob again that it had let go', async () => {
      const again = blob('again');
      const first = await open();
      await first.journal.append({ records: place.records(1, again.hash), blobs: [again] });
      await first.journal.close();
      for (let round = 0; round < 3; round += 1) {
        const { journal } = await open();
        for (let n = 0; n < 10; n += 1) await journal.append(group(round * 10 + n + 2));
        await journal.close();
        await place.fold();
      }
      const { journal } = await open();
      expect(await journal.blob(again.hash)).toBeUndefined();
      await journal.append({ records: place.records(32, again.hash), blobs: [again] });
      expect(bytesOf(await journal.blob(again.hash))).toEqual([...again.bytes]);
      await journal.close();
      await place.fold();
      const last = await open();
      expect(last.findings).toEqual([]);
      expect(bytesOf(await last.journal.blob(again.hash))).toEqual([...again.bytes]);
    });

    it('keeps the history of groups that a snapshot has replaced', async () => {
      const first = await appended(20);
      await first.close();
      await place.fold();
      const { journal } = await open();
      expect((await journal.history({ limit: 100 })).rows).toHaveLength(20);
    });
  });
}

async function all(groups: AsyncIterable<GroupRow>): Promise<GroupRow[]> {
  const found: GroupRow[] = [];
  for await (const group of groups) found.push(group);
  return found;
}

/** Bytes as numbers: a Buffer and a Uint8Array with the same content are equal here. */
function plain(groups: readonly GroupRow[]) {
  return groups.map(({ seq, epoch, records }) => ({ seq, epoch, records: [...records] }));
}

function bytesOf(bytes: Uint8Array | undefined): number[] | undefined {
  return bytes === undefined ? undefined : [...bytes];
}

function blob(text: string): JournalBlob {
  const bytes = new TextEncoder().encode(text);
  return { hash: createHash('sha256').update(bytes).digest('hex') as BlobHash, bytes };
}
