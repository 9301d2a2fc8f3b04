/** The submission window: each submission is repeated under its number until it is answered (E5). */
import type { Accepted, Refused } from '@gryphgen/protocol';
import { awaitTask } from './awaiting.ts';
import { admit, type Context, fail, send } from './context.ts';
import type { Bound } from './effects.ts';
import type { SubmitEvent } from './events.ts';
import type { ClientState, Submission } from './state.ts';

/** E5: heartbeats after which an unanswered submission is sent again. */
const repeatHeartbeats = 2;

export function onSubmit(context: Context, event: SubmitEvent): void {
  const { state, now } = context;
  if (!admit(context, event.ref, boundReached(state))) return;
  const { ref, key, envelope, body, progress } = event;
  const seq = state.nextSeq;
  state.nextSeq += 1;
  const submission = { ref, seq, key, envelope, body, progress, sentMono: now.mono, forgotten: false };
  state.submissions.set(seq, submission);
  if (state.session !== null) submit(context, submission);
}

function boundReached({ nextSeq, floor, submissions, awaited, bounds }: ClientState): Bound | undefined {
  // The broker counts from the floor: one that stays unanswered holds up all that follow.
  if (nextSeq - floor >= bounds.outstanding) return 'outstanding';
  return awaited.size + submissions.size >= bounds.awaited ? 'awaited' : undefined;
}

export function onAccepted(context: Context, { seq, task, progress: isWatched }: Accepted): void {
  const submission = take(context.state, seq);
  if (submission === undefined) return;
  const { ref, progress, forgotten } = submission;
  context.effects.push({ kind: 'accepted', ref, task });
  if (forgotten) return;
  awaitTask(context, task, ref, progress);
  // By a broker that does not know the wish, or that it accepted before.
  if (progress && !isWatched) send(context, { kind: 'watch', tasks: [task], progress });
}

export function onRefused(context: Context, { seq, failure }: Refused): void {
  const submission = take(context.state, seq);
  if (submission !== undefined) fail(context, submission.ref, failure);
}

/** All of them in a new session, else those that have waited long enough. */
export function repeatSubmissions(context: Context, inNewSession: boolean): void {
  const { state, now } = context;
  const sentBefore = now.mono - repeatHeartbeats * state.timers.heartbeatMs;
  for (const submission of state.submissions.values()) {
    if (inNewSession || submission.sentMono <= sentBefore) submit(context, submission);
  }
}

function submit(context: Context, submission: Submission): void {
  const { seq, key, envelope, body } = submission;
  submission.sentMono = context.now.mono;
  const progress = submission.progress ? true : undefined;
  send(context, { kind: 'submit', seq, floor: context.state.floor, key, envelope, body, progress });
}

/** Undefined: answered before, or never ours. */
function take(state: ClientState, seq: number): Submission | undefined {
  const submission = state.submissions.get(seq);
  if (submission === undefined) return undefined;
  state.submissions.delete(seq);
  // Not by the map's first key: finding it walks over all that were deleted before it.
  while (state.floor < state.nextSeq && !state.submissions.has(state.floor)) state.floor += 1;
  return submission;
}
