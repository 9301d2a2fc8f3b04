/**
 * What the broker learns of runs, and where it goes in. What runs take and need is learned where an attempt's end is
 * applied, so that a replay learns the same and a restart forgets nothing; how long images and inputs take is observed, and
 * written down now and then (untold-lessons.ts).
 */
import {
  asksModel,
  type Envelope,
  type Failure,
  isEphemeral,
  type Usage,
  type WorkerId,
  type WorkerReport,
} from '@gryphgen/protocol';
import {
  type Foretold,
  fetchesOf,
  hasImage,
  type LearnedForecast,
  seatOf,
  type ToldSeat,
  toldSeats,
  type Underway,
  type WorkerView,
} from '@gryphgen/scheduler';
import type { BrokerState, Task, TaskLease, TaskOutcome } from './state.ts';

export function classOf({ kind, image, taskClass }: Envelope): string {
  return taskClass ?? (image === undefined ? kind : `${kind} ${image}`);
}

export function foretold(envelope: Envelope): Foretold {
  const { inputs } = envelope;
  const task = { shape: envelope, taskClass: classOf(envelope), inputs, inputBytes: inputBytesOf(envelope) };
  return envelope.asks === undefined ? task : { ...task, question: envelope };
}

export function inputBytesOf({ inputs }: Envelope): number {
  return inputs?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
}

/** And notes how far off was what was foretold of it. Of one that succeeded: how long others ran tells of their failures. A service runs until it is ended. */
export function learnFromEnd(
  { learned, errors, policies, models }: BrokerState,
  { id, spec, submittedAt }: Task,
  lease: TaskLease,
  ended: TaskOutcome,
): void {
  const { state, leasedAt, startedAt, endedAt, usage } = ended;
  if (state !== 'succeeded' || startedAt === 0 || spec.envelope.restart !== undefined) return;
  const { worker, reservation } = lease;
  const task = foretold(spec.envelope);
  const { runs } = learned;
  const { taskClass, inputBytes } = task;
  const runMs = endedAt - startedAt;
  errors.note(worker, taskClass, {
    run: [
      runs.typicalMs(taskClass, seatOf(task.shape, worker, reservation.devices[0]?.uuid), inputBytes),
      runMs,
    ],
    memory: [runs.need(taskClass, 'memory', inputBytes)?.p50Bytes, usage?.peakMemoryBytes],
    vram: [runs.need(taskClass, 'vram', inputBytes)?.p50Bytes, usage?.peakVramBytes],
    fetch: [lease.times?.[0], startedAt - leasedAt],
  });
  const usual = isEphemeral(id) ? undefined : learned.knownMs(task);
  if (usual !== undefined) policies.ended(submittedAt, Math.max(1, endedAt - submittedAt) / usual);
  if (isEphemeral(id) && asksModel(spec.envelope.kind))
    models.untold.classes.note(taskClass, () => runs.levelsOf(taskClass));
  learned.learn({ task, worker, reservation, runMs, usage });
}

/** Notes how far off it was when one was to start that had waited by choice. */
export function noteStart(
  { errors }: BrokerState,
  { spec }: Task,
  worker: WorkerId,
  times: TaskLease['times'],
): void {
  const [, , startMs, waitedMs] = times ?? [];
  if (startMs !== undefined) errors.note(worker, classOf(spec.envelope), { start: [startMs, waitedMs] });
}

/** Of an attempt that was ended for want of memory: its class needs more than it had. */
export function learnFromLack(
  { learned }: BrokerState,
  { spec, lease }: Task,
  failure: Failure | null,
  usage: Usage | null,
): void {
  if (failure?.code !== 'execution.oom' || lease === null) return;
  const { worker, reservation } = lease;
  const { peakMemoryBytes = 0, peakVramBytes = 0 } = usage ?? {};
  const [device] = reservation.devices;
  const taskClass = classOf(spec.envelope);
  // The worker ends what holds more of a device than its part, the kernel what holds all it may of memory.
  if (device !== undefined && peakVramBytes > device.vramBytes)
    learned.runs.observeLack(taskClass, 'vram', worker, peakVramBytes);
  else
    learned.runs.observeLack(
      taskClass,
      'memory',
      worker,
      Math.max(peakMemoryBytes, spec.envelope.resources.memoryBytes),
    );
}

/** What is not there yet of a task that was placed just now. */
export function noteFetches(state: BrokerState, { spec }: Task, lease: TaskLease): void {
  const { image, inputs } = spec.envelope;
  if (image === undefined && inputs === undefined) return;
  const report = state.workers.get(lease.worker)?.view.report ?? null;
  lease.fetches = image !== undefined && report !== null && !hasImage(report, image);
  lease.bringsBytes = missingBytes(state, inputs ?? [], lease.worker);
}

/** Of its inputs, what the worker is not known to have. */
export function missingBytes(
  { holders }: BrokerState,
  inputs: NonNullable<Envelope['inputs']>,
  worker: WorkerId,
): number {
  let bytes = 0;
  for (const input of inputs) if (!holders.of(input.digest).includes(worker)) bytes += input.bytes;
  return bytes;
}

/** The attempt runs since now: of one that had something to fetch, and only one thing, the wait tells how long that takes. */
export function learnFromStart(
  { learned, models, workers }: BrokerState,
  { spec }: Task,
  lease: TaskLease,
  wall: number,
): void {
  const { worker, fetches, bringsBytes } = lease;
  const waitedMs = wall - lease.leasedAt;
  lease.fetches = false;
  lease.bringsBytes = 0;
  if (fetches === bringsBytes > 0) return;
  const seat = { id: worker, report: workers.get(worker)?.view.report ?? null };
  const { image = '' } = spec.envelope;
  for (const name of fetchesOf(fetches ? image : undefined))
    models.untold.fetches.note(name, () => learned.fetches.levelsOf(name));
  if (fetches) learned.learnFetch(image, seat, waitedMs);
  else learned.learnTransfer(bringsBytes, seat, waitedMs);
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
): readonly ToldSeat[] {
  return toldSeats(worker, report).filter((seat) => !learned.runs.isDescribed(...seat));
}
