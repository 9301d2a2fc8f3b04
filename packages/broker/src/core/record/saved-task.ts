/** The shortest list of decisions that makes a task, live or ended, as a snapshot has it. */
import { type Epoch, usageTuple } from '@gryphgen/protocol';
import { writeNote } from '../placing/journaled-note.ts';
import type { Task } from '../state.ts';
import { type Decision, decided, outcomeStates, wireDevices } from './decisions.ts';

/** With the epoch that it counts as. */
export type Saved = readonly [epoch: Epoch, decision: Decision];

export function* savedTask(task: Task, epoch: Epoch): Generator<Saved> {
  const { id, spec, body, bodyBytes, principal, byAdmin, client, submittedAt, lease, outcome } = task;
  // Keys and windows are saved apart: some outlive their tasks.
  const accepted = [decided.accepted, id, spec.hash, body, principal, client, 0, 0, '', submittedAt] as const;
  yield [epoch, byAdmin ? [...accepted, bodyBytes, true] : [...accepted, bodyBytes]];
  const held = lease ?? outcome;
  const reservation = lease?.planned ?? held?.reservation;
  if (held != null && reservation != null && held.worker !== '') {
    const devices = wireDevices(reservation);
    const { leasedAt } = held;
    const note = held.note === null ? undefined : writeNote(held.note);
    const leased = [decided.leased, id, task.attempt, held.worker, devices, leasedAt, note] as const;
    const { memoryBytes } = reservation;
    const charge = memoryBytes === spec.envelope.resources.memoryBytes ? undefined : memoryBytes;
    const placed = [...leased, lease?.part, charge] as const;
    yield [lease?.epoch ?? epoch, held.times === null ? placed : [...placed, held.times]];
    if (lease?.planned)
      yield [epoch, [decided.measured, id, task.attempt, wireDevices(lease.reservation), leasedAt]];
    const { by, at } = lease?.preempted ?? {};
    if (by !== undefined && at !== undefined) yield [epoch, [decided.preempted, id, task.attempt, by, at]];
  }
  if (task.cancelRequested && outcome === null) yield [epoch, [decided.cancelRequested, id, 0]];
  if (outcome === null) return;
  const { exitCode, failure, startedAt, endedAt } = outcome;
  const stateNo = outcomeStates.indexOf(outcome.state) as 0 | 1 | 2;
  const kept = outcome.outcome.byteLength === 0 ? null : outcome.outcome;
  const usage = usageTuple(outcome.usage ?? undefined);
  const result = [stateNo, exitCode, failure?.code ?? '', failure?.message ?? ''] as const;
  const ended = [decided.ended, id, task.attempt, ...result, startedAt, endedAt, kept] as const;
  yield [epoch, usage === undefined ? ended : [...ended, usage]];
}
