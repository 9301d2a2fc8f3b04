import type { PastTask } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../placement-policy.ts';
import { GiB, report, shape } from '../reference-grid.fixture.ts';
import { historyOf } from './history.ts';
import { recorded, workers } from './recorded.fixture.ts';

const train = { name: 'train', slowMs: 900, swiftMs: 300 };
const past = recorded(200, defaultPolicy, () => train);

describe('the history as a workload', () => {
  it('holds that a task ran where it ran for as long as it did, and elsewhere for as long as its class takes there', () => {
    const { machines, workload, tasks } = historyOf(past, workers);
    expect(tasks).toHaveLength(200);
    const [slow, swift] = machines;
    if (slow === undefined || swift === undefined) throw new Error('two machines');
    for (const [at, task] of tasks.entries()) {
      const arrival = workload.tasks[at];
      if (arrival === undefined) throw new Error(`no arrival ${at}`);
      const ran = task.endedAt - task.startedAt;
      const [here, elsewhere] = task.worker === slow.id ? [slow, swift] : [swift, slow];
      expect(arrival.at).toBeCloseTo(task.queuedAt - (tasks[0]?.queuedAt ?? 0), 6);
      expect(workload.runMs(arrival, here, undefined)).toBeCloseTo(ran, 6);
      const ratio = workload.runMs(arrival, elsewhere, undefined) / ran;
      expect(here === slow ? 1 / ratio : ratio).toBeGreaterThan(2);
      expect(here === slow ? 1 / ratio : ratio).toBeLessThan(4.5);
    }
  });

  it('leaves out what would fit on none of the machines that there are', () => {
    const [first] = past;
    const large = { ...(first as PastTask), task: 999, shape: shape(undefined, { memoryBytes: 4096 * GiB }) };
    const gone = {
      ...(first as PastTask),
      task: 998,
      shape: { ...shape(), constraints: { labels: {}, worker: 'w-gone' } },
    };
    expect(historyOf([...past, large, gone], workers).tasks).toHaveLength(200);
  });

  it('learns from the first start on a worker how long an image took, and takes it for there where none was seen', () => {
    const image = (over: Partial<PastTask>, waitedMs: number): PastTask => {
      const one = {
        ...(past[0] as PastTask),
        shape: { ...shape(), kind: 'container', image: 'tool' },
        ...over,
      };
      return {
        ...one,
        startedAt: one.placedAt + waitedMs,
        endedAt: one.placedAt + waitedMs + 500,
      } as PastTask;
    };
    const at = (past[0] as PastTask).placedAt;
    const seen = [
      image({ task: 1, worker: 'w-1', placedAt: at }, 30_000),
      image({ task: 2, worker: 'w-1', placedAt: at + 60_000 }, 40_000),
      image({ task: 3, worker: 'w-2', placedAt: at }, 300),
    ];
    const images = { capabilities: ['container'], images: ['tool:latest'] };
    const at3 = ['w-1', 'w-2', 'w-3'].map((id) => ({ id, report: report({ name: id, ...images }) }));
    const { machines, workload } = historyOf(seen, at3);
    expect(machines.map(({ report }) => report.images)).toEqual([[], ['tool:latest'], ['tool:latest']]);
    const [task] = workload.tasks;
    const ms = machines.map((machine) => task && workload.pullMs(task, machine));
    expect(ms).toEqual([30_000, 30_000, 30_000]);
  });
});
