/** With each tick: of what nothing else writes down, that of which it is time becomes a decision (untold-lessons.ts). */
import type { Taught } from '@gryphgen/scheduler';
import { type Context, decide } from '../context.ts';
import { decided } from '../record/decisions.ts';
import { loadErrorIn, loadParts, speedParts } from './untold-lessons.ts';

export function writeLessons(context: Context): void {
  const { state, now } = context;
  if (state.journalStalled) return;
  const { untold, lessons } = state.models;
  const { runs, fetches } = state.learned;
  const classes = untold.classes.take(state.watch, (name) => runs.levelsOf(name));
  const speeds = untold.speeds.take(state.watch, (pair) => speedParts(lessons.speeds.levelOf(pair)));
  const loads = untold.loads.take(state.watch, (pair) => loadParts(lessons.loads.loadOf(pair)));
  const fetched = untold.fetches.take(state.watch, (name) => fetches.levelsOf(name));
  if (classes.length + speeds.length + loads.length + fetched.length === 0) return;
  const taught: Taught = [
    classes.map((name) => runs.saveClass(name)).filter((one) => one !== undefined),
    speeds.map((pair) => lessons.speeds.levelOf(pair)).filter((one) => one !== undefined),
    loads.map((pair) => lessons.loads.loadOf(pair)).filter((one) => one !== undefined),
    loads.map((pair) => loadErrorIn(lessons, pair)).filter((one) => one !== undefined),
    fetched.map((name) => fetches.saveClass(name)).filter((one) => one !== undefined),
  ];
  decide(context, [decided.keysForgotten, [], now.wall, undefined, taught]);
}
