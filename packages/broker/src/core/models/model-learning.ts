/**
 * What instances teach of their models, learned where an attempt's end is applied, so that a replay learns the same.
 *
 * 1. What an instance held of its devices, of all together, is told by its worker, believed as far as told-use.ts has it, and held against
 *    what was reserved for it. One that was loaded for a moment only may not have held all of it yet: then less says nothing.
 * 2. How fast it writes and reads is told by the server with an answer. Of most answers nothing is read here: the first of each model and
 *    every eighth teach enough. Of ephemeral ones nothing is journaled but what they taught together (untold-lessons.ts).
 */
import {
  type DeviceShare,
  type Envelope,
  isEphemeral,
  type ModelSpec,
  type Reservation,
  readInferResult,
  type WorkerId,
} from '@gryphgen/protocol';
import { answerLength, promptBytesEach, promptOn, speedName } from '@gryphgen/scheduler';
import type { BrokerState, Task, TaskLease, TaskOutcome } from '../state.ts';
import { noteSpeed } from './untold-lessons.ts';

/** Loads that take longer are of models whose instances stay for longer. */
const wholeMs = 10 * 60_000;
/** One that found too little needs more than it had, however little it had taken of that. */
const lackRatio = 1.1;
/** Answers that went to a channel tell of themselves in less. */
const mostReadBytes = 4096;
const firstAnswers = 8;
const everyAnswer = 8;
const leastTokens = 8;
/** Fewer are read in a step or two, however many they are. */
const leastPromptTokens = 64;
/** A token is hardly less of a text than that, or more; who asks may say anything. */
const leastBytesEach = 1 / 2;
const mostBytesEach = 32;

/** `startedAt` is not journaled with an attempt that is tried again: then more than was planned is learned, and less is not. */
type Ended = Pick<TaskOutcome, 'failure' | 'usage'> & Partial<TaskOutcome>;

/** An attempt is over, and has its lease yet. */
export function learnOfModel(state: BrokerState, task: Task, ended: Ended): void {
  const { lease } = task;
  const { model } = task.spec.envelope;
  if (lease === null || model === undefined) return;
  learnFromInstance(state, task, lease, ended);
  if (ended.state === 'succeeded' && ended.outcome !== undefined)
    learnFromAnswer(state, task, lease, ended.outcome);
}

function learnFromInstance(
  { models }: BrokerState,
  { id, spec }: Task,
  { worker, planned, reservation }: TaskLease,
  { failure, usage, startedAt = 0, endedAt = 0 }: Ended,
): void {
  const { kind, model: name = '' } = spec.envelope;
  const heldBytes = vramBytesOf(planned ?? reservation);
  const known = models.known.get(name)?.spec;
  if (kind !== 'instance' || known === undefined) return;
  if (!models.isCurrent(name, id) || heldBytes <= 0) return;
  const seen = (usage?.peakVramBytes ?? 0) / heldBytes;
  const isLack = failure?.code === 'execution.oom';
  const wasWhole = startedAt > 0 && endedAt - startedAt >= wholeMs;
  if (!isLack && (seen === 0 || (seen < 1 && !wasWhole))) return;
  models.lessons.memory.observe(
    name,
    known.description.architecture,
    worker,
    isLack ? Math.max(seen, lackRatio) : seen,
  );
}

/** Of an answer that it gave on one of its places there; where its instances there are on several, nobody can tell which. */
function learnFromAnswer(
  state: BrokerState,
  { id, spec }: Task,
  { worker }: TaskLease,
  outcome: Uint8Array,
): void {
  const { kind, model: name, asks } = spec.envelope;
  if (kind !== 'infer' || name === undefined || outcome.byteLength === 0) return;
  if (outcome.byteLength > mostReadBytes || state.models.isTrial(name)) return;
  const seats = seatsOf(state, name, worker);
  const [seat] = seats;
  if (seat === undefined || seats.size > 1) return;
  const known = state.models.lessons.speeds.of(name, seat)?.seen ?? 0;
  if (known >= firstAnswers && id % everyAnswer !== 0) return;
  for (const [of, value] of taughtBy(outcome, seat, asks)) {
    if (isEphemeral(id)) noteSpeed(state, speedName(name, of));
    state.models.lessons.speeds.observe(name, of, value);
  }
}

export function seatsOf({ models, tasks }: BrokerState, name: string, worker: WorkerId): ReadonlySet<string> {
  const seats = new Set<string>();
  for (const id of models.of(name).instances) {
    const lease = tasks.get(id)?.lease;
    if (lease?.worker === worker) seats.add(seatOf(lease.reservation.devices, worker));
  }
  return seats;
}

/** Where an instance computes, by which it is known how fast: its device or all of them, or the host. */
export function seatOf(devices: readonly Pick<DeviceShare, 'uuid'>[], worker: WorkerId): string {
  return devices.length === 0
    ? worker
    : devices
        .map(({ uuid }) => uuid)
        .sort()
        .join('+');
}

/** Of all devices together. */
export function vramBytesOf({ devices }: Reservation): number {
  return devices.reduce((sum, { vramBytes }) => sum + vramBytes, 0);
}

/** Of which seat, or of the model alone, what: how fast it wrote and read there, how long the answer was, what of the question is a token. */
function taughtBy(
  outcome: Uint8Array,
  seat: string,
  asks: Envelope['asks'],
): readonly (readonly [of: string, value: number])[] {
  const { tokens, promptMs = 0, outputMs = 0, questions = 1 } = readInferResult(outcome) ?? {};
  // Of a few tokens the time is mostly of something else.
  if (tokens === undefined || tokens.output < leastTokens || outputMs <= 0) return [];
  const taught: [string, number][] = [
    [seat, (1000 * tokens.output) / outputMs],
    [answerLength, tokens.output / Math.max(1, questions)],
  ];
  const computed = tokens.prompt - tokens.cached;
  if (computed >= leastPromptTokens && promptMs > 0)
    taught.push([promptOn(seat), (1000 * computed) / promptMs]);
  const bytesEach = questions === 1 && asks !== undefined ? asks.promptBytes / tokens.prompt : 0;
  if (tokens.prompt >= leastPromptTokens && bytesEach >= leastBytesEach && bytesEach <= mostBytesEach)
    taught.push([promptBytesEach, bytesEach]);
  return taught;
}

/** By which the estimate of a device's memory is multiplied for an instance there. */
export function deviceFactorOf(
  { models }: BrokerState,
  { name, description, trial }: Pick<ModelSpec, 'name' | 'description' | 'trial'>,
): (worker: WorkerId) => number {
  const known = trial?.of ?? name;
  return (worker) => models.lessons.memory.factor(known, description.architecture, worker).factor;
}
