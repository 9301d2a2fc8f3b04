/**
 * The only place where an attempt's phase changes.
 *
 * An executor that reports what the table does not allow has broken an invariant: that throws, with the attempt's
 * story. What a peer sends never throws: the handlers ask for the phase first.
 */
import { type Fence, nameOf } from './fence.ts';
import {
  nameIfAllowed,
  nameOfTransition,
  type PhaseOrNone,
  type Stimulus,
  type StoryEntry,
} from './phases.ts';
import type { Attempt, WorkerState } from './state.ts';

/** Stories are for reading: this many entries show how it came to it, without growing under repeated messages. */
const storyEntries = 16;

/** Takes `attempt` to `to`, notes it in its story, and throws when the table has no such transition. */
export function moveTo(
  state: WorkerState,
  attempt: Attempt,
  stimulus: Stimulus,
  to: PhaseOrNone,
  monoMs: number,
): void {
  const from = attempt.phase;
  note(state, attempt.fence, attempt.story, { monoMs, from, stimulus, to });
  if (to !== 'none') attempt.phase = to;
}

/** The same for an attempt that was not held before, or is not held after. */
export function noteTransition(
  state: WorkerState,
  fence: Fence,
  stimulus: Stimulus,
  to: PhaseOrNone,
  monoMs: number,
  story: StoryEntry[] = [],
): StoryEntry[] {
  note(state, fence, story, { monoMs, from: 'none', stimulus, to });
  return story;
}

function note(state: WorkerState, fence: Fence, story: StoryEntry[], entry: StoryEntry): void {
  const name = nameIfAllowed(entry);
  if (name === undefined) throw invalidTransition(fence, story, entry);
  state.reached.set(name, (state.reached.get(name) ?? 0) + 1);
  story.push(entry);
  if (story.length > storyEntries) story.shift();
}

export function invalidTransition(fence: Fence, story: readonly StoryEntry[], last: StoryEntry): Error {
  const lines = [...story, last].map((entry) => `  ${entry.monoMs} ms: ${nameOfTransition(entry)}`);
  return new Error(`${nameOf(fence)}: ${last.from} cannot take ${last.stimulus}\n${lines.join('\n')}`);
}
