/**
 * How good a feasible worker is for a shape: named terms in 0..1, weighted and summed.
 *
 * 1. A term depends on the shape, this one worker and what is known of the demand only, so the order and the number of the others change nothing.
 * 2. A policy's weights sum to 1, so a total is in 0..1 too.
 */
import type { PlacementPolicy, ScoreTerm, WorkerReport } from '@gryphgen/protocol';
import type { TypicalDemand } from './demand.ts';
import { fitOn } from './fit.ts';
import type { Shape } from './shape.ts';
import { clamp, share } from './share.ts';
import type { WorkerView } from './worker-view.ts';

/** Speed (1 = the reference machine) that scores 1: twice the reference is beyond what people own. */
const TOP_SPEED = 2;
/** What an unmeasured machine is taken for: slow, but not useless. */
const UNMEASURED_SPEED = 0.5;

/** Written out rather than looped over, so that the engine inlines it: this runs for each feasible worker. */
export function totalOf(
  shape: Shape,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
  { weights }: PlacementPolicy,
): number {
  return (
    weights.fit * fitOn(shape, worker, report, demand).fit +
    weights.image * image(shape, report) +
    weights.reliability * clamp(worker.reliability) +
    weights.load * load(shape, worker, report) +
    weights.spread * spread(worker, report) +
    weights.speed * speed(report)
  );
}

/** The terms that `totalOf` sums, unweighted. Both only for a worker that is feasible now. */
export function scoresOf(
  shape: Shape,
  worker: WorkerView,
  report: WorkerReport,
  demand: TypicalDemand,
): Record<ScoreTerm, number> {
  return {
    fit: fitOn(shape, worker, report, demand).fit,
    image: image(shape, report),
    reliability: clamp(worker.reliability),
    load: load(shape, worker, report),
    spread: spread(worker, report),
    speed: speed(report),
  };
}

function image({ image: wanted }: Shape, report: WorkerReport): number {
  return wanted === undefined || hasImage(report, wanted) ? 1 : 0;
}

function load({ resources }: Shape, { ledger }: WorkerView, report: WorkerReport): number {
  return 1 - share(ledger.cpuMilli + resources.cpuMilli, report.cpuMilli);
}

function spread({ ledger }: WorkerView, report: WorkerReport): number {
  return 1 - share(ledger.attempts + 1, report.slots);
}

function speed(report: WorkerReport): number {
  return clamp((report.speed > 0 ? report.speed : UNMEASURED_SPEED) / TOP_SPEED);
}

/** Reports are replaced whole, so a set made for one stays true; a machine may hold hundreds of images. */
const imagesByReport = new WeakMap<WorkerReport, ReadonlySet<string>>();

export function hasImage(report: WorkerReport, reference: string): boolean {
  let images = imagesByReport.get(report);
  if (images === undefined) {
    images = new Set(report.images);
    imagesByReport.set(report, images);
  }
  return images.has(reference);
}
