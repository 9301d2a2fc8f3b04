/** A broker killed in the middle of appending, folding and compacting loses nothing that it had acknowledged. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SqlitePlace, sqlitePlace } from '../conformance/journal-place.ts';

const writer = fileURLToPath(new URL('./journal-writer.mjs', import.meta.url));
const kills = 20;

interface Life {
  readonly epoch: number;
  readonly from: number;
  readonly acknowledged: number;
}

/**
 * Runs the writer until it has acknowledged `commits` and, if asked, a snapshot lies in its folder, and kills it.
 * Returns the last number that it printed.
 */
async function live(dir: string, commits: number, size: number, untilSnapshot = false): Promise<Life> {
  const child = spawn(process.execPath, [writer, dir, String(size)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let opening: { readonly epoch: number; readonly from: number } | undefined;
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, epoch, head] = line.split(' ');
    if (word === 'open') opening = { epoch: Number(epoch), from: Number(head) };
    else acknowledged = Number(word);
    if (opening === undefined || acknowledged < opening.from + commits) continue;
    if (!untilSnapshot || snapshotsIn(dir) > 0) child.kill('SIGKILL');
  }
  await closed;
  if (opening === undefined) throw new Error('the writer ended before it had opened the journal');
  return { ...opening, acknowledged };
}

function snapshotsIn(dir: string): number {
  return readdirSync(dir).filter((name) => /^snapshot-[0-9]+\.state$/.test(name)).length;
}

describe('a killed broker', { timeout: 120_000 }, () => {
  let place: SqlitePlace;

  beforeEach(async () => {
    place = await sqlitePlace();
  });
  afterEach(() => place.remove());

  it(`loses nothing acknowledged, ${kills} times over`, async () => {
    let before: Life = { epoch: 0, from: 0, acknowledged: 0 };
    for (let round = 0; round < kills; round += 1) {
      // The fold has the lowest priority: on a busy machine only the half that waits for it meets a snapshot.
      const size = round % 3 === 0 ? 20_000 : 60;
      const life = await live(place.dir, 1 + ((round * 37) % 150), size, round >= kills / 2);
      expect(life.epoch).toBe(before.epoch + 1);
      expect(life.from).toBeGreaterThanOrEqual(before.acknowledged);
      before = life;
    }
    const { journal, snapshot, groups, findings } = await place.open();
    // A kill in the middle of a write leaves a last commit that nobody was told of, and nothing worse.
    expect(findings.filter(({ kind }) => kind !== 'torn')).toEqual([]);
    expect(journal.head().seq).toBeGreaterThanOrEqual(before.acknowledged);
    const state = place.folder.load(snapshot!.bytes) as { readonly tasks: readonly number[] };
    for await (const { epoch, records } of groups) place.folder.applyGroup(state, epoch, records);
    expect(state.tasks).toEqual(Array.from({ length: journal.head().seq }, (_, at) => at + 1));
    const { rows } = await journal.history({ limit: 1 });
    expect(rows[0]?.task).toBe(journal.head().seq);
    await journal.close();
  });

  it('lets go of the folder', async () => {
    await live(place.dir, 1, 60);
    const { journal } = await place.open();
    await journal.close();
  });
});
