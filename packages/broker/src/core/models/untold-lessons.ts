/**
 * What ephemeral questions taught, written down. Their ends are in no journal (E18); what follows from them is, now and then, so that
 * a broker that was restarted knows where a model answers fast. So is how long models load and how long attempts wait for images and
 * inputs, which nothing else tells of either.
 *
 * 1. What is written is what is known, in place of what a replay knows of it: from there on it knows the same.
 * 2. Seldom and little: lessons-due.ts says of what it is time (writing-lessons.ts).
 */
import type { WorkerId } from '@gryphgen/protocol';
import { LessonsDue, type ModelLessons, type PartLevel, speedName, type Taught } from '@gryphgen/scheduler';
import type { BrokerState } from '../state.ts';

/** Runs of a class: fewer are not worth a line. */
const leastRuns = 5;

export class UntoldLessons {
  readonly classes = new LessonsDue(leastRuns);
  readonly speeds = new LessonsDue(1);
  readonly loads = new LessonsDue(1);
  /** By what was fetched, as `fetchesOf` names it. */
  readonly fetches = new LessonsDue(1);
}

/** `pair`: of a model and a seat, as `speedName` names it. */
export function noteSpeed({ models }: BrokerState, pair: string): void {
  models.untold.speeds.note(pair, () => speedParts(models.lessons.speeds.levelOf(pair)));
}

/** A model is there after so long; `foreseenMs`: as was foretold until now. */
export function learnLoad(
  { models: { lessons, untold } }: BrokerState,
  model: string,
  worker: WorkerId,
  ms: number,
  foreseenMs: number | undefined,
): void {
  const pair = speedName(model, worker);
  untold.loads.note(pair, () => loadParts(lessons.loads.loadOf(pair)));
  lessons.loadErrors.note(worker, loadClass(model), { load: [foreseenMs, ms] });
  lessons.loads.note(model, worker, ms);
}

/** `pair`: of a model and a worker, as `speedName` names it. */
export function loadErrorIn({ loadErrors }: ModelLessons, pair: string) {
  const [model = '', worker = ''] = pair.split(' ');
  return loadErrors.pairIn(worker, loadClass(model));
}

/** As its instances' (model-plans.ts). */
function loadClass(model: string): string {
  return `instance ${model}`;
}

/** In the living broker they are known so already. */
export function takeLessons(
  { learned, models }: BrokerState,
  [classes, speeds, loads, loadErrors = [], fetches = []]: Taught,
): void {
  for (const one of classes) learned.runs.putClass(one);
  for (const one of speeds) models.lessons.speeds.put(one);
  for (const one of loads) models.lessons.loads.put(one);
  for (const one of loadErrors) models.lessons.loadErrors.put(one);
  for (const one of fetches) learned.fetches.putClass(one);
}

export function speedParts(level: Taught[1][number] | undefined): readonly PartLevel[] {
  return level === undefined ? [] : [level];
}

export function loadParts(load: Taught[2][number] | undefined): readonly PartLevel[] {
  return load === undefined ? [] : [[load[0], 1, Math.log(load[1])]];
}
