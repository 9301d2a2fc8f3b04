/** A journal that real daemons left, read by the checker of the simulator. */
import {
  brokenInvariants,
  decided,
  decodeDecisions,
  type GroupRow,
  openJournal,
  recover,
} from '@gryphgen/broker';
import { productVersion, type TaskId } from '@gryphgen/protocol';
import { expect } from 'vitest';

/** Expects no broken invariant, and one committed outcome for each task. Returns the attempts recorded as over, `7.1`. */
export async function checkJournal(dir: string, tasks: readonly number[]): Promise<ReadonlySet<string>> {
  const opened = await openJournal({
    dir,
    folder: new URL('../../packages/broker/dist/fold.js', import.meta.url),
    program: productVersion,
    holder: 'a test',
    wallMs: Date.now(),
    onTrouble: (error) => {
      throw error;
    },
  });
  const commits = new Map<number, number>();
  const requeued = new Set<string>();
  async function* counted(): AsyncGenerator<GroupRow> {
    for await (const group of opened.groups) {
      for (const decision of decodeDecisions(group.records)) {
        if (decision[0] === decided.ended) commits.set(decision[1], (commits.get(decision[1]) ?? 0) + 1);
        if (decision[0] === decided.requeued) requeued.add(`${decision[1]}.${decision[2]}`);
      }
      yield group;
    }
  }
  const { state, journal } = await recover({ ...opened, groups: counted() }, {});
  // A kill in the middle of a write leaves a last commit that nobody was told of, and nothing worse.
  expect(opened.findings.filter(({ kind }) => kind !== 'torn')).toEqual([]);
  expect(brokenInvariants(state)).toEqual([]);
  expect([...commits.values()].filter((count) => count !== 1)).toEqual([]);
  const inSnapshot = (id: number) => opened.snapshot !== null && !commits.has(id);
  for (const id of tasks)
    expect(commits.has(id) || inSnapshot(id) || state.ended.has(id as TaskId)).toBe(true);
  await journal.close();
  return requeued;
}
