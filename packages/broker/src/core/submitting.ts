/** Submissions: one task for one (client, number), and for one key of a principal (E5, E6). */
import type { Accepted, ClientId, Failure, SessionId, TaskId } from '@gryphgen/protocol';
import { ephemeralTaskId, failure, formatTaskId, isEphemeral, limits } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import { decide, journalStalled, mustWait, send } from './context.ts';
import type { BrokerEvent, SubmittedSpec } from './events.ts';
import { foreseenRefusal } from './principals/foreseen-refusal.ts';
import { refusalByRate } from './principals/shares.ts';
import { acceptTask } from './record/apply.ts';
import { keyName, raiseFloor, specName } from './record/apply-submissions.ts';
import { decided } from './record/decisions.ts';
import type { Session } from './state.ts';
import { listWatcher, onWatch } from './watching.ts';

type SubmitEvent = Extract<BrokerEvent, { kind: 'submit' }>;

export function onSubmit(context: Context, session: Session, event: SubmitEvent): void {
  const { state } = context;
  const answer = (why: Failure): void => {
    if (session.refused.size < limits.clientOutstanding) session.refused.set(event.seq, why);
    refused(context, session.id, event.seq, why);
  };
  const { client } = session;
  if (client === null) throw new Error(`session ${session.id} submits, and is no client's`);
  if (session.refused.size > 0)
    for (const seq of session.refused.keys()) if (seq < event.floor) session.refused.delete(seq);
  const refusedBefore = session.refused.get(event.seq);
  if (refusedBefore !== undefined) {
    state.counters.duplicateSubmissions += 1;
    answer(refusedBefore);
    return;
  }
  const window = state.clients.get(client);
  if (window !== undefined) raiseFloor(window, event.floor);
  const floor = Math.max(event.floor, window?.floor ?? 0);
  if (event.seq < floor) {
    state.counters.duplicateSubmissions += 1;
    // Nobody waits for it; it is answered all the same, as every submission is (E3).
    const words = `submission ${event.seq} is below this client's floor of ${floor}: it was answered`;
    refused(context, session.id, event.seq, failure('rejected.state', words));
    return;
  }
  const known = window?.tasks.get(event.seq);
  if (known !== undefined) {
    state.counters.duplicateSubmissions += 1;
    acceptedBefore(context, session, event.seq, known);
    return;
  }
  if (!('envelope' in event.spec)) {
    answer(event.spec);
    return;
  }
  const again = event.key === '' ? undefined : state.keys.get(keyName(session.principal, event.key));
  if (again !== undefined) {
    state.counters.duplicateSubmissions += 1;
    if (again.spec === specName(event.spec.envelopeHash, event.spec.bodyHash)) {
      acceptedBefore(context, session, event.seq, again.task);
    } else {
      const words = `key "${event.key}" already made ${formatTaskId(again.task)} from another specification`;
      answer(failure('rejected.key-conflict', words));
    }
    return;
  }
  const why = refusal(context, session, client, event);
  if (why !== undefined) answer(why);
  else accept(context, session, client, event, event.spec);
}

/** Its end may be past, or another client's to hear: whoever asked again is told all the same, and at once (E7). */
function acceptedBefore(context: Context, session: Session, seq: number, task: TaskId): void {
  // Told when the stall is over: the client repeats what is not answered (E5, E19).
  if (mustWait(context.state, task)) return;
  accepted(context, session.id, seq, task);
  onWatch(context, session, { kind: 'watch', tasks: [task], progress: false });
}

function refusal(
  { state, now }: Context,
  session: Session,
  client: ClientId,
  event: SubmitEvent,
): Failure | undefined {
  const spec = event.spec as SubmittedSpec;
  if (state.journalStalled && spec.envelope.durable) {
    return journalStalled;
  }
  if (state.tasks.size >= limits.waitingTasks) {
    return failure('rejected.limit', `the grid holds ${limits.waitingTasks} unfinished tasks, its limit`);
  }
  if (event.key !== '' && !spec.envelope.durable) {
    return failure('rejected.invalid', 'an ephemeral task takes no idempotency key: nothing of it is kept');
  }
  if (event.key !== '' && state.keys.size >= limits.keys) {
    return failure('rejected.limit', `the grid keeps ${limits.keys} idempotency keys, its limit`);
  }
  const window = state.clients.get(client);
  if (window === undefined && state.clients.size >= limits.clients) {
    return failure('rejected.limit', `the grid keeps submissions of ${limits.clients} clients, its limit`);
  }
  if (event.seq - (window?.floor ?? event.floor) >= limits.clientOutstanding) {
    return failure('rejected.limit', `a client may have ${limits.clientOutstanding} submissions unanswered`);
  }
  const limited = foreseenRefusal(state, session, spec) ?? refusalByRate(state, session.principal, now.mono);
  if (limited !== undefined) return limited;
  const impossible = state.possible.refusal(spec.shapeKey, spec.envelope, state.views);
  return impossible === undefined
    ? undefined
    : state.refusals.keep(
        impossible,
        session.principal,
        spec.envelope,
        state.views,
        state.epoch,
        state.watch,
      );
}

function accept(
  context: Context,
  session: Session,
  client: ClientId,
  event: SubmitEvent,
  spec: SubmittedSpec,
): void {
  const { state, now } = context;
  state.counters.accepted += 1;
  state.wake = true;
  const { envelope, envelopeHash, shapeKey, bodyHash, bodyBytes } = spec;
  if (!envelope.durable) {
    const id = ephemeralTaskId(state.epoch, state.nextEphemeral);
    state.nextEphemeral += 1;
    const own = { envelope, hash: envelopeHash, shapeKey, refs: 0 };
    const { principal } = session;
    const who = { principal, byAdmin: session.role === 'admin', client };
    const made = { id, spec: own, body: bodyHash, bodyBytes, ...who, submittedAt: now.wall };
    acceptTask(state, made, event.seq, event.floor);
    context.effects.push({ kind: 'pinBody', body: bodyHash });
    acceptedNow(context, session, event, id);
    return;
  }
  if (!state.specs.has(envelopeHash)) decide(context, [decided.envelope, envelopeHash, envelope, shapeKey]);
  const id = state.nextTask as TaskId;
  const { seq, floor, key } = event;
  const made = [id, envelopeHash, bodyHash, session.principal, client, seq, floor, key, now.wall] as const;
  const decision = [decided.accepted, ...made, bodyBytes] as const;
  decide(context, session.role === 'admin' ? [...decision, true] : decision);
  acceptedNow(context, session, event, id);
}

/** Who asked for its changes hears of its place in the same breath; who may watch no more asks again (E7). */
function acceptedNow(context: Context, session: Session, { seq, progress }: SubmitEvent, task: TaskId): void {
  const isWatched = progress === true && listWatcher(context.state, session, task);
  accepted(context, session.id, seq, task, isWatched ? true : undefined);
}

function refused(context: Context, session: SessionId, seq: number, why: Failure): void {
  send(context, session, { kind: 'refused', seq, failure: why }, false);
}

function accepted(
  context: Context,
  session: SessionId,
  seq: number,
  task: TaskId,
  progress?: Accepted['progress'],
): void {
  send(context, session, { kind: 'accepted', seq, task, progress }, !isEphemeral(task));
}
