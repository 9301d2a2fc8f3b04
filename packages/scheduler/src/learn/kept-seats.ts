/**
 * Where a task could run on a worker, and what the terms but its finish say of it: kept for each shape until the worker, what is
 * known of the demand or the policy changes, so that a plan looks closely at those alone that have changed.
 *
 * 1. What is kept is what a look would find now (`mistakenOf`): whatever it goes by changes the worker's version (worker-view.ts).
 * 2. Bounded: `keptShapes` shapes, those asked for least recently go first; of each `keptWorkers` workers.
 */
import type { DeviceUuid, PlacementPolicy, WorkerReport } from '@gryphgen/protocol';
import { nothingKnown, type TypicalDemand } from '../demand.ts';
import { isHosted } from '../hosting.ts';
import { ownsShard } from '../owning.ts';
import { defaultPolicy } from '../placement-policy.ts';
import { isFeasible } from '../predicates.ts';
import { RecentMap } from '../recency.ts';
import { totalOf } from '../score.ts';
import { normalized, type Shape } from '../shape.ts';
import { versionOf, type WorkerView } from '../worker-view.ts';

export interface Seat {
  readonly view: WorkerView;
  readonly report: WorkerReport;
  /** That asks for this device, if there is a choice. */
  readonly shape: Shape;
  readonly device: DeviceUuid | undefined;
  /** Without its finish; undefined: it cannot take it now. */
  readonly total: number | undefined;
}

interface OfWorker {
  readonly version: number;
  readonly seats: readonly Seat[];
}

interface Row {
  readonly shape: Shape;
  readonly workers: Map<WorkerView, OfWorker>;
}

const keptShapes = 64;
/** No fewer than a plan looks at. */
const keptWorkers = 128;
const none: readonly Seat[] = [];

export class KeptSeats {
  private readonly rows = new RecentMap<Row>(keptShapes);
  private demand: TypicalDemand = nothingKnown;
  private policy: PlacementPolicy = defaultPolicy;

  /** Seats of workers that may take it now or when there is room; asked at once, before any of them changes. `key`: the shape's. */
  of(
    task: Shape,
    key: string,
    demand: TypicalDemand,
    policy: PlacementPolicy,
  ): (view: WorkerView) => readonly Seat[] {
    if (demand !== this.demand || policy !== this.policy) this.rows.clear();
    this.demand = demand;
    this.policy = policy;
    let row = this.rows.use(key);
    if (row === undefined) {
      row = { shape: normalized(task), workers: new Map() };
      this.rows.add(key, row);
    }
    const { shape, workers } = row;
    return (view) => {
      const version = versionOf(view);
      const kept = workers.get(view);
      if (kept?.version === version) return kept.seats;
      if (kept === undefined && workers.size >= keptWorkers) workers.clear();
      const seats = this.look(shape, view);
      workers.set(view, { version, seats });
      return seats;
    };
  }

  /** Of whom something is kept that is not so, after a full look; undefined is the good answer. */
  mistakenOf(): WorkerView | undefined {
    for (const { shape, workers } of this.rows.values())
      for (const [view, { version, seats }] of workers)
        if (version === versionOf(view) && !isSame(seats, this.look(shape, view))) return view;
    return undefined;
  }

  private look(shape: Shape, view: WorkerView): readonly Seat[] {
    const { report, connected, draining } = view;
    if (report === null || !connected || draining || !isHosted(shape, view) || !ownsShard(shape, view))
      return none;
    const { demand, policy } = this;
    const seat = (of: Shape, device: DeviceUuid | undefined): Seat => {
      const total = isFeasible(of, view, report) ? totalOf(of, view, report, demand, policy) : undefined;
      return { view, report, shape: of, device, total };
    };
    const { resources } = shape;
    const { gpu } = resources;
    if (gpu === undefined) return [seat(shape, undefined)];
    if (gpu.kind === 'parts') return [seat(shape, gpu.parts[0]?.uuid)];
    if (gpu.kind === 'whole' && gpu.count > 1) return [seat(shape, report.devices[0]?.uuid)];
    return report.devices
      .filter(({ uuid }) => gpu.uuid === undefined || gpu.uuid === uuid)
      .map(({ uuid }) => seat({ ...shape, resources: { ...resources, gpu: { ...gpu, uuid } } }, uuid));
  }
}

function isSame(kept: readonly Seat[], found: readonly Seat[]): boolean {
  return (
    kept.length === found.length &&
    kept.every(({ report, device, total }, at) => {
      const other = found[at];
      return other?.report === report && other.device === device && other.total === total;
    })
  );
}
