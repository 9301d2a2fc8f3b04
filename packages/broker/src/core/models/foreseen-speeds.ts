/**
 * How fast a model would write on a seat, and how long it would take to load there: as it was measured there, or else as far as it can
 * be estimated.
 */
import type { Foreseen, ModelDescription, ModelSpec, WorkerId } from '@gryphgen/protocol';
import { estimatedTokensPerS, type ModelSeat, type WorkerView } from '@gryphgen/scheduler';
import type { BrokerState, Task } from '../state.ts';
import { usableOf } from './hosting.ts';
import { seatOf } from './model-learning.ts';
import { answerMsAt } from './plan-choice.ts';

export interface Described {
  readonly name: string;
  readonly description: ModelDescription;
}

/** Of those that have both, only what was come by in the same way is held against each other. */
export interface ForeseenLoad {
  readonly measured?: number;
  readonly estimated?: number;
}

export function foreseenSpeed(
  { models }: BrokerState,
  { name, description }: Described,
  { id, report }: WorkerView,
  seat: ModelSeat,
): Foreseen | undefined {
  if (report === null || seat.kind === 'no') return undefined;
  const measured = models.lessons.speeds.of(name, seatNamed(seat, id))?.tokensPerS;
  if (measured !== undefined) return { value: measured, from: 'measured' };
  const estimated = estimatedTokensPerS(description, seat, report);
  return estimated === undefined ? undefined : { value: estimated, from: 'estimated' };
}

/** In ms. */
export function foreseenLoad(
  { models }: BrokerState,
  { name, description }: Described,
  { id, report }: WorkerView,
): ForeseenLoad {
  const measured = models.lessons.loads.of(name, id);
  const { diskReadBytesPerS = 0, memoryBytesPerS = 0 } = report?.calibration ?? {};
  // It is read from the disk and copied in memory, at a time: the slower of both tells.
  const bytesPerS = Math.min(diskReadBytesPerS, memoryBytesPerS || diskReadBytesPerS);
  return {
    ...(measured !== undefined && { measured }),
    ...(bytesPerS > 0 && { estimated: (1000 * description.fileBytes) / bytesPerS }),
  };
}

/** How fast one more instance would write: on a seat that has some of it already, they share what it can. */
export function speedOfNext(
  state: BrokerState,
  { name, description, trial }: Pick<ModelSpec, 'name' | 'description' | 'trial'>,
): (view: WorkerView, seat: ModelSeat) => number | undefined {
  const there = new Map<string, number>();
  for (const { lease } of usableOf(state, name)) {
    if (lease === null) continue;
    const seat = seatOf(lease.reservation.devices, lease.worker);
    there.set(seat, (there.get(seat) ?? 0) + 1);
  }
  const known = { name: trial?.of ?? name, description };
  return (view, seat) => {
    // What was learned of a seat tells nothing of how much of the model was on the host then.
    const alone =
      seat.kind === 'partly'
        ? view.report && estimatedTokensPerS(description, seat, view.report)
        : foreseenSpeed(state, known, view, seat)?.value;
    if (alone === undefined || alone === null) return undefined;
    return alone / (1 + (there.get(seatNamed(seat, view.id)) ?? 0));
  };
}

/** Of instances that have answered; undefined as long as one of them has not: what it can is to be seen first. */
export function soonestAnswerMs(
  { models }: BrokerState,
  name: string,
  instances: readonly Task[],
): number | undefined {
  let fastest = 0;
  for (const { lease } of instances) {
    const seat = lease && seatOf(lease.reservation.devices, lease.worker);
    const tokensPerS = seat === null ? undefined : models.lessons.speeds.of(name, seat)?.tokensPerS;
    if (tokensPerS === undefined) return undefined;
    fastest = Math.max(fastest, tokensPerS);
  }
  return fastest > 0 ? answerMsAt(fastest) : undefined;
}

function seatNamed({ devices }: ModelSeat, worker: WorkerId): string {
  return seatOf(
    devices.map(({ device }) => device),
    worker,
  );
}
