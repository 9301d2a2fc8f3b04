/**
 * What ephemeral questions taught, written down. Their ends are in no journal (E18); what follows from them is, now and then, so that
 * a broker that was restarted knows where a model answers fast.
 *
 * 1. What is written is what is known, in place of what a replay knows of it: from there on it knows the same.
 * 2. Seldom and little: lessons-due.ts says of what it is time (writing-lessons.ts).
 */
import { LessonsDue, type PartLevel, type Taught } from '@gryphgen/scheduler';
import type { BrokerState } from '../state.ts';

/** Runs of a class: fewer are not worth a line. */
const leastRuns = 5;

export class UntoldLessons {
  readonly classes = new LessonsDue(leastRuns);
  readonly speeds = new LessonsDue(1);
  readonly loads = new LessonsDue(1);
}

/** `pair`: of a model and a seat, as `speedName` names it. */
export function noteSpeed({ models }: BrokerState, pair: string): void {
  models.untold.speeds.note(pair, () => speedParts(models.lessons.speeds.levelOf(pair)));
}

/** `pair`: of a model and a worker. */
export function noteLoad({ models }: BrokerState, pair: string): void {
  models.untold.loads.note(pair, () => loadParts(models.lessons.loads.loadOf(pair)));
}

/** In the living broker they are known so already. */
export function takeLessons({ learned, models }: BrokerState, [classes, speeds, loads]: Taught): void {
  for (const one of classes) learned.runs.putClass(one);
  for (const one of speeds) models.lessons.speeds.put(one);
  for (const one of loads) models.lessons.loads.put(one);
}

export function speedParts(level: Taught[1][number] | undefined): readonly PartLevel[] {
  return level === undefined ? [] : [level];
}

export function loadParts(load: Taught[2][number] | undefined): readonly PartLevel[] {
  return load === undefined ? [] : [[load[0], 1, Math.log(load[1])]];
}
