/**
 * What the broker learns of runs, and where it goes in. What runs take and need is learned where an attempt's end is
 * applied, so that a replay learns the same and a restart forgets nothing; how long images take is observed, and begins
 * anew with each epoch.
 */
import type { Envelope, WorkerId, WorkerReport } from '@gryphgen/protocol';
import type { Foretold, LearnedForecast, Underway, WorkerView } from '@gryphgen/scheduler';
import type { BrokerState, Task, TaskLease, TaskOutcome } from './state.ts';

/** What a place for attempts is like before any has run there: a worker, or a device of it. */
export type WireSeat = readonly [seat: string, model: string, speed: number];

export function classOf({ kind, image, taskClass }: Envelope): string {
  return taskClass ?? (image === undefined ? kind : `${kind} ${image}`);
}

export function foretold(envelope: Envelope): Foretold {
  const inputBytes = envelope.inputs?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
  return { shape: envelope, taskClass: classOf(envelope), inputBytes };
}

/** And notes how far off was what was foretold of it. Of one that succeeded: how long others ran tells of their failures. A service runs until it is ended. */
export function learnFromEnd(
  { learned, errors }: BrokerState,
  { spec }: Task,
  lease: TaskLease,
  ended: TaskOutcome,
): void {
  const { state, startedAt, endedAt, usage } = ended;
  if (state !== 'succeeded' || startedAt === 0 || spec.envelope.restart !== undefined) return;
  const { worker, reservation } = lease;
  const task = foretold(spec.envelope);
  const { runs } = learned;
  const { taskClass, inputBytes } = task;
  const runMs = endedAt - startedAt;
  errors.note(worker, taskClass, {
    run: [runs.run(taskClass, reservation.devices[0]?.uuid ?? worker, inputBytes)?.p50Ms, runMs],
    memory: [runs.need(taskClass, 'memory')?.p50Bytes, usage?.peakMemoryBytes],
    vram: [runs.need(taskClass, 'vram')?.p50Bytes, usage?.peakVramBytes],
  });
  learned.learn({ task, worker, reservation, runMs, ...(usage ?? {}) });
}

/** The attempt runs since now: of one whose image was not there the wait tells how long that takes. */
export function learnFromStart(
  { learned }: BrokerState,
  { spec }: Task,
  lease: TaskLease,
  wall: number,
): void {
  const { image } = spec.envelope;
  if (image === undefined || !lease.fetches) return;
  lease.fetches = false;
  learned.learnFetch(image, lease.worker, wall - lease.leasedAt);
}

/** What is underway on a worker, as far as the forecast asks. */
export function underwayOn({ tasks, workers, watch }: BrokerState, view: WorkerView): Iterable<Underway> {
  const found: Underway[] = [];
  for (const id of workers.get(view.id)?.tasks ?? []) {
    const task = tasks.get(id);
    if (task?.lease == null || task.lease.idle) continue;
    const { reservation, runsSince } = task.lease;
    found.push({
      task: foretold(task.spec.envelope),
      reservation,
      ranMs: runsSince === null ? null : watch - runsSince,
    });
  }
  return found;
}

/** What the report says of the worker's places that is not known yet. */
export function newSeats(
  learned: LearnedForecast,
  worker: WorkerId,
  report: WorkerReport,
): readonly WireSeat[] {
  const places: readonly WireSeat[] = [
    [worker, report.hardware?.cpu.model ?? '', speedOf(report)],
    ...report.devices.map(({ uuid, name }): WireSeat => [uuid, name, 0]),
  ];
  return places.filter((place) => !learned.runs.isDescribed(...place));
}

/** Two digits: a worker that measures itself again says the same. */
function speedOf({ speed }: WorkerReport): number {
  return Number(speed.toPrecision(2));
}
