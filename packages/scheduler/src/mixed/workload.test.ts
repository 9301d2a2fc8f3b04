import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../seeded-random.ts';
import { deviceSlowness, gridNames, machinesOf } from './machines.ts';
import { mixedScale, mixedWorkload } from './workload.ts';

describe.each(gridNames)('the mixed workload on the %s grid', (grid) => {
  const machines = machinesOf(grid, new SeededRandom(1));

  it('is the same from the same seed, in the order of arrival', () => {
    const [one, again] = [1, 1].map(
      (seed) => mixedWorkload(machines, 0.8, 500, new SeededRandom(seed)).tasks,
    );
    expect(one).toEqual(again);
    const other = mixedWorkload(machines, 0.8, 500, new SeededRandom(2)).tasks;
    expect(other).not.toEqual(one);
    for (const [at, task] of one?.entries() ?? []) {
      expect(task.at).toBeGreaterThanOrEqual(one?.[at - 1]?.at ?? 0);
      for (const before of task.after) expect(before).toBeLessThan(at);
    }
  });

  it.each(mixedScale.loads)('offers a load of %f of processors and of devices', (load) => {
    const { tasks } = mixedWorkload(machines, load, 30_000, new SeededRandom('load'));
    const overMs = tasks.at(-1)?.at ?? 0;
    const work = { cpu: 0, device: 0 };
    for (const { of, factor } of tasks) {
      const { gpu, cpuMilli } = of.shape.resources;
      let atOnce = 0;
      for (const { report, speed } of machines) {
        if (gpu === undefined) atOnce += (report.cpuMilli / cpuMilli) * speed ** of.bySpeed;
        else
          for (const { vramBytes, name } of report.devices)
            atOnce +=
              Math.floor(vramBytes / (gpu.kind === 'part' ? gpu.vramBytes : vramBytes)) /
              (deviceSlowness[name] ?? 1);
      }
      work[gpu === undefined ? 'cpu' : 'device'] += (of.medianMs * factor) / atOnce;
    }
    expect(work.cpu / overMs / load).toBeGreaterThan(0.85);
    expect(work.cpu / overMs / load).toBeLessThan(1.18);
    expect(work.device / overMs / load).toBeGreaterThan(0.85);
    expect(work.device / overMs / load).toBeLessThan(1.18);
  });
});
