/**
 * A lease arrives: it starts an attempt, confirms one, or does nothing at all.
 *
 * 1. E9: each lease number is used once; a duplicate or late lease starts nothing.
 * 2. E11: a lease for an attempt that the hello listed confirms it; it never starts one anew.
 * 3. A lease that cannot be taken is answered with a failed result, kept and repeated like any other; beyond
 *    `keptRefusals` it stays unanswered and is sent again.
 * 4. Whatever is held, the next hello can list it: by number and by bytes.
 */
import type { Envelope, Failure, Lease } from '@gryphgen/protocol';
import { attemptReportBytes, decodeEnvelope, failure, limits, type Read } from '@gryphgen/protocol';
import { type Context, conclude, holdAttempt, noOutcome } from './context.ts';
import { type Fence, keyOf } from './fence.ts';
import type { LeaseFacts, Session, WorkerState } from './state.ts';
import { moveTo, noteTransition } from './transition.ts';

/** Envelopes kept decoded; more would cost more to search than to decode. */
const keptEnvelopes = 8;

export function onLease(context: Context, session: Session, lease: Lease): void {
  const { state, effects } = context;
  const fence: Fence = { task: lease.task, attempt: lease.attempt, epoch: lease.epoch };
  const key = keyOf(fence);
  const held = state.attempts.get(key);
  if (held === undefined && !canKeepOne(state)) {
    effects.push({
      kind: 'note',
      note: { kind: 'leaseRefused', fence, why: 'too many refusals await their answer' },
    });
    return;
  }
  const fresh = session.leases.take(lease.leaseSeq);
  session.leases.raiseFloor(lease.floor);
  if (session.leases.overflowed) {
    effects.push({ kind: 'leaveSession', why: `lease number ${lease.leaseSeq} is too far ahead` });
  }
  // One that the hello listed and that is gone has ended meanwhile: its confirmation comes too late to start it again.
  if (!fresh || (held === undefined && session.listed.has(key))) return;
  if (held !== undefined) {
    moveTo(state, held, 'lease', held.phase, context.now.mono);
    return;
  }
  const read = readEnvelope(state, lease.envelope);
  if (!read.ok) refuse(context, fence, read.failure);
  else if (!hasRoom(state, lease)) {
    const why = `the worker is full: it holds ${state.attempts.size} attempts`;
    refuse(context, fence, failure('lost.worker', why));
  } else begin(context, lease, fence, read.value);
}

/** Room for one that never runs. */
export function canKeepOne({ attempts, listedBytes }: WorkerState): boolean {
  return (
    attempts.size < limits.attemptsListed && listedBytes + attemptReportBytes(bareFacts) <= limits.heldBytes
  );
}

/** Room to run it, beside all the refusals that may yet have to be kept. */
function hasRoom({ attempts, listedBytes }: WorkerState, { devices }: Lease): boolean {
  const refusalBytes = limits.keptRefusals * attemptReportBytes(bareFacts);
  const bytes = attemptReportBytes({ reservation: { ...bareFacts.reservation, devices } });
  return attempts.size < limits.attemptsPerWorker && listedBytes + bytes + refusalBytes <= limits.heldBytes;
}

function begin(context: Context, lease: Lease, fence: Fence, envelope: Envelope): void {
  const order = orderOf(lease, fence, envelope);
  const story = noteTransition(context.state, fence, 'lease', 'starting', context.now.mono);
  holdAttempt(context, fence, order.facts, 'starting', story);
  context.effects.push({ kind: 'start', order });
}

function refuse(context: Context, fence: Fence, why: Failure): void {
  context.effects.push({ kind: 'note', note: { kind: 'leaseRefused', fence, why: why.message } });
  const story = noteTransition(context.state, fence, 'lease', 'ended', context.now.mono);
  conclude(context, holdAttempt(context, fence, bareFacts, 'ended', story), -1, why, { outcome: noOutcome });
}

function orderOf(lease: Lease, fence: Fence, envelope: Envelope) {
  const { devices, principal, byAdmin, shard } = lease;
  const { kind, timeoutMs, onLinkLost, stopGraceMs } = envelope;
  const { cpuMilli, memoryBytes, diskBytes } = envelope.resources;
  const reservation = { cpuMilli, memoryBytes, diskBytes, devices };
  const usual: LeaseFacts = { kind, reservation, timeoutMs, onLinkLost };
  const facts = stopGraceMs === undefined ? usual : { ...usual, stopGraceMs };
  // A copy: `body` is a view of the received frame, and executors may take their time.
  return { fence, facts, envelope, devices, body: lease.body.slice(), principal, byAdmin, shard };
}

/** Of an attempt that never runs: it holds nothing. */
export const bareFacts: LeaseFacts = {
  kind: 'noop',
  reservation: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0, devices: [] },
  timeoutMs: 0,
  onLinkLost: 'move',
};

function readEnvelope(state: WorkerState, bytes: Uint8Array): Read<Envelope> {
  const known = state.envelopes.find((entry) => Buffer.compare(entry.bytes, bytes) === 0);
  if (known !== undefined) return { ok: true, value: known.envelope };
  const read = decodeEnvelope(bytes);
  if (read.ok) {
    // A copy: `bytes` may be a view of a whole received frame.
    state.envelopes.unshift({ bytes: bytes.slice(), envelope: read.value });
    if (state.envelopes.length > keptEnvelopes) state.envelopes.pop();
  }
  return read;
}
