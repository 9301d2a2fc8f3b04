/**
 * When a worker will have room: what runs there frees what it holds at its expected end, and what was decided in this
 * turn to wait for the worker stands in line before whatever comes next.
 *
 * 1. What stands in line is charged from now on: a start may be told too late, never too early by what it overlooks.
 */
import type { Reservation } from '@gryphgen/protocol';
import { copyOf, type Ledger, release, reserve } from '../ledger.ts';
import { place } from '../place.ts';
import { isFeasible } from '../predicates.ts';
import type { Shape } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';

/** Something that holds a part of a worker until it ends. */
export interface Ending {
  /** ms from now; infinite where nothing is known. */
  readonly inMs: number;
  readonly reservation: Reservation;
}

/** Where one more would start. */
export interface Start {
  readonly inMs: number;
  readonly reservation: Reservation;
}

export class Line {
  private readonly view: WorkerView;
  private readonly held: Ledger;
  private readonly endings: Ending[];

  /** `endings`: of what the view's ledger holds, in any order. */
  constructor(view: WorkerView, endings: readonly Ending[]) {
    this.view = view;
    this.held = copyOf(view.ledger);
    this.endings = endings.filter(({ inMs }) => Number.isFinite(inMs)).sort((a, b) => a.inMs - b.inMs);
  }

  /** Undefined: not by what is expected to end. */
  startOf(shape: Shape): Start | undefined {
    const { report } = this.view;
    if (report === null) return undefined;
    const then = { ...this.view, ledger: copyOf(this.held) };
    for (const { inMs, reservation } of this.endings) {
      release(then.ledger, reservation);
      if (!isFeasible(shape, then, report)) continue;
      return started(inMs, shape, then);
    }
    return undefined;
  }

  /** Stands in line from now on. */
  add({ inMs, reservation }: Ending): void {
    reserve(this.held, reservation);
    const behind = this.endings.findIndex((other) => other.inMs > inMs);
    this.endings.splice(behind === -1 ? this.endings.length : behind, 0, { inMs, reservation });
  }

  copy(): Line {
    return new Line({ ...this.view, ledger: this.held }, this.endings);
  }
}

function started(inMs: number, shape: Shape, then: WorkerView): Start | undefined {
  const placement = place(shape, [then]);
  return placement.kind === 'placed' ? { inMs, reservation: placement.reservation } : undefined;
}
