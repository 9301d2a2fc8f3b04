/** What a worker's report says of its seats before anything has run there: its model, and how fast it was measured to be. */
import type { WorkerReport } from '@gryphgen/protocol';

/** Speeds: 1 is a thread of the reference machine, 0 unknown. */
export type ToldSeat = readonly [seat: string, model: string, speed: number, allSpeed?: number];

/** Where a worker answers for a model: neither's name has a space. */
export function askedSeat(worker: string, model: string): string {
  return `${worker} ${model}`;
}

/** The worker itself first. Of devices nothing is measured. */
export function toldSeats(worker: string, report: WorkerReport): readonly ToldSeat[] {
  return [
    [worker, report.hardware?.cpu.model ?? '', ...speedsOf(report)],
    ...report.devices.map(({ uuid, name }): ToldSeat => [uuid, name, 0]),
  ];
}

/** Two digits: a worker that measures itself again says the same. All threads cannot be faster than each alone. */
function speedsOf({ speed, cpuMilli, calibration }: WorkerReport): readonly [number, number?] {
  const one = Number(speed.toPrecision(2));
  const { cpuMulti = 0 } = calibration ?? {};
  if (one === 0 || cpuMulti === 0) return [one];
  return [one, Number(Math.min(cpuMulti, (speed * cpuMilli) / 1000).toPrecision(2))];
}
