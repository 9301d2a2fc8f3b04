/**
 * Why a task is where it is, or why it waits (invariant 6): the decision, what each worker was or is worth to it, and what
 * was expected of its run.
 */
import type {
  ExpectedRun,
  ExplainDocument,
  PrincipalId,
  TaskDocument,
  TurnDocument,
} from '@gryphgen/protocol';
import { formatTaskId, formatTime } from '@gryphgen/protocol';
import {
  defaultPolicy,
  explain,
  type Outlook,
  type WorkerDecision,
  type WorkerView,
  weightsOf,
} from '@gryphgen/scheduler';
import { shardWords } from '../collections/collection-words.ts';
import { fetchedOf, foretoldIn, nameOf, stateOf } from '../documents.ts';
import { foretold } from '../learning.ts';
import { answerTimes } from '../models/answer-times.ts';
import { modelWords } from '../models/model-words.ts';
import { roomWords } from '../models/room-for-tasks.ts';
import { foreseenRefusal } from '../principals/foreseen-refusal.ts';
import { quotaDocument, quotaWords } from '../principals/quotas.ts';
import { classOwner, limitsOf, mayRunNoMore, partUsed, type Submitter } from '../principals/shares.ts';
import type { BrokerState, Task } from '../state.ts';
import { chargedAs, chargeWords } from '../workers/charging.ts';
import { agedPriority, waitsSince } from './aging.ts';
import { choiceOf, choiceWords } from './choosing.ts';
import { viewsFor } from './claims.ts';
import { dueAt } from './turn-order.ts';

export function explainDocument(state: BrokerState, task: Task, wall: number): ExplainDocument {
  const id = formatTaskId(task.id);
  const phase = stateOf(task);
  const note = (task.lease ?? task.outcome)?.note ?? null;
  const answer = answerTimes(task);
  const fetched = fetchedOf(task);
  if (note !== null) {
    const { decision, workers, policy } = note;
    // Where none is named, a program decided that knew of one alone.
    const weights = weightsOf(workers, state.policies.find(policy ?? 0) ?? defaultPolicy);
    return {
      id,
      state: phase,
      when: 'placed',
      decision: `${decision}${endingWords(task)}`,
      workers,
      ...(weights && { weights }),
      ...(policy !== undefined && { policy }),
      ...foretoldAndSeen(placedOf(task), wall),
      ...(answer && { answer }),
      ...(fetched && { fetched }),
    };
  }
  if (task.phase !== 'waiting') {
    const where = (task.lease ?? task.outcome)?.worker;
    const decision = where
      ? `placed on ${nameOf(state, where)} by an earlier broker epoch; the scores were not kept${endingWords(task)}`
      : neverRan(task);
    return {
      id,
      state: phase,
      when: 'placed',
      decision,
      workers: [],
      ...foretoldAndSeen(placedOf(task), wall),
      ...(answer && { answer }),
      ...(fetched && { fetched }),
    };
  }
  const envelope = chargedAs(state, task.spec.envelope);
  const outlooks = outlooksOf(state, envelope);
  const views = viewsFor(state, task, wall);
  const { inForce } = state.policies;
  const explained = (among: readonly WorkerView[]) =>
    explain(envelope, among, state.demand.typical, inForce, undefined, outlooks);
  const now = explained(views);
  const { decision, nearest } = now;
  const workers =
    state.claims.length === 0
      ? now.workers
      : besideClaims(state, explained(state.views).workers, now.workers);
  const weights = weightsOf(workers, inForce);
  const choice = choiceOf(state, task);
  const chosen = choice === undefined ? undefined : choiceWords(state, choice);
  const quota = quotaDocument(state, task, views);
  const held = quota && quotaWords(task.principal, quota);
  const isKeptOut = !workers.some(({ feasible }) => feasible);
  const loading = isKeptOut ? (modelWords(state, task) ?? shardWords(state, task.spec.envelope)) : undefined;
  const said = waitingWords(state, task) ?? held ?? chosen ?? loading;
  const room = isKeptOut && said === undefined ? roomWords(state, task) : undefined;
  const kept = claimWords(state, task) ?? decision;
  const found = room === undefined ? kept : `${kept}; ${room}`;
  return {
    id,
    state: phase,
    when: 'now',
    decision: withCharge(state, task.spec.envelope, said ?? found),
    workers,
    ...(weights && { weights }),
    policy: inForce.version,
    ...(nearest && { nearest }),
    ...(quota && { quota }),
    ...(task.notBefore === 0 && { ...soonest(state, outlooks), turn: turnDocument(state, task, wall) }),
  };
}

/** How it would be decided now, were this principal to submit it. */
export function dryRunDocument(
  state: BrokerState,
  submitter: Submitter,
  asked: Task['spec']['envelope'],
): ExplainDocument {
  const { principal } = submitter;
  const envelope = chargedAs(state, asked);
  const outlooks = outlooksOf(state, envelope);
  const { inForce } = state.policies;
  const { decision, workers, nearest } = explain(
    envelope,
    state.views,
    state.demand.typical,
    inForce,
    undefined,
    outlooks,
  );
  const weights = weightsOf(workers, inForce);
  // Its body is not here yet: what is kept of others counts alone.
  const refused = foreseenRefusal(state, submitter, { envelope: asked, bodyBytes: 0 });
  const mayRun = refused === undefined && !decision.startsWith('impossible');
  const task = { principal, spec: { envelope: asked } };
  const quota = mayRun ? quotaDocument(state, task, state.views) : undefined;
  const held = quota && quotaWords(principal, quota);
  const waits = mayRun ? (runningWords(state, principal) ?? held) : undefined;
  return {
    id: '',
    state: 'waiting',
    when: 'now',
    decision: refused ? `would be refused: ${refused.message}` : withCharge(state, asked, waits ?? decision),
    workers,
    ...(weights && { weights }),
    policy: inForce.version,
    ...(nearest && { nearest }),
    ...(refused && { refused }),
    ...(quota && { quota }),
    ...soonest(state, outlooks),
  };
}

/** The decision, with what is charged where that is not what is asked for, or why not. */
export function withCharge(state: BrokerState, asked: Task['spec']['envelope'], decision: string): string {
  const words = chargeWords(state, asked);
  return words === '' ? decision : `${decision}; ${words}`;
}

/** What the task would find on each worker, as far as that is known. */
export function outlooksOf(state: BrokerState, envelope: Task['spec']['envelope']): readonly Outlook[] {
  return state.planner.outlooks(foretold(envelope), state.views);
}

/** Where it is expected to end first. */
function soonest(state: BrokerState, outlooks: readonly Outlook[]): { readonly expected?: ExpectedRun } {
  const [first] = outlooks.toSorted((a, b) => a.startMs + a.takesMs - b.startMs - b.takesMs);
  if (first === undefined) return {};
  const { worker, startMs, takesMs } = first;
  return { expected: { worker, name: nameOf(state, worker), startMs, takesMs } };
}

type Placed = Pick<TaskDocument, 'placedAt' | 'startedAt' | 'endedAt' | 'foretold'>;

function placedOf({ lease, outcome }: Task): Placed {
  const { leasedAt: placedAt = 0, startedAt = 0, times = null } = lease ?? outcome ?? {};
  return { placedAt, startedAt, endedAt: outcome?.endedAt ?? 0, ...foretoldIn(times) };
}

/** What was expected of its last attempt, and what came of it; `wall`: now, of one that has not ended. */
export function foretoldAndSeen(
  { placedAt = 0, startedAt, endedAt, foretold: times }: Placed,
  wall: number,
): Pick<ExplainDocument, 'expected' | 'ranMs' | 'fetchedMs'> {
  const { fetchMs = 0, runMs = 0 } = times ?? {};
  const expected = { takesMs: fetchMs + runMs, ...(fetchMs > 0 && { fetchMs }) };
  return {
    ...(times !== undefined && { expected }),
    ...(startedAt > 0 && { ranMs: Math.max(0, (endedAt || wall) - startedAt) }),
    ...(startedAt > 0 && fetchMs > 0 && { fetchedMs: Math.max(0, startedAt - placedAt) }),
  };
}

function turnDocument(state: BrokerState, task: Task, wall: number): TurnDocument {
  const { id, spec, principal } = task;
  const among = state.waiting.classOf(spec, id, classOwner(state, principal));
  const first = state.tasks.get(state.waiting.first(among) ?? id) ?? task;
  return {
    priority: spec.envelope.priority,
    agedPriority: agedPriority(among, first, wall),
    waitedMs: Math.max(0, wall - waitsSince(among, first)),
    use: partUsed(state, principal, wall),
    weight: limitsOf(state, principal).weight ?? 1,
    yieldsMs: Math.round(dueAt(state, first) - first.submittedAt),
  };
}

function endingWords({ lease }: Task): string {
  return lease?.preempted ? `; told to end, to make room for ${formatTaskId(lease.preempted.by)}` : '';
}

/** Where nothing but a claim keeps it away, that is said; else what stands in its way whether there is one or not. */
function besideClaims(
  { claims }: BrokerState,
  all: readonly WorkerDecision[],
  mayUse: readonly WorkerDecision[],
): readonly WorkerDecision[] {
  return all.map((decision, place) => {
    if (!decision.feasible || mayUse[place]?.feasible) return decision;
    const claim = claims.find(({ worker }) => worker === decision.worker);
    const { worker, name } = decision;
    const words = claim ? `keeps room for ${formatTaskId(claim.task)}, which has waited in vain` : '';
    return { worker, name, feasible: false, reasons: [words] };
  });
}

/** Of a task that ended while it had no place. */
function neverRan({ attempt }: Task): string {
  if (attempt === 0) return 'it ended without ever being placed';
  return `it ended while it waited for its next try; the last was attempt ${attempt}`;
}

function waitingWords(state: BrokerState, task: Task): string | undefined {
  if (task.notBefore > 0) {
    const seconds = Math.max(0, (task.notBefore - state.watch) / 1000).toFixed(1);
    return `waits ${seconds} s before its next try: ${task.lastFailure?.message ?? 'backoff'}`;
  }
  const running = runningWords(state, task.principal);
  if (running !== undefined) return running;
  if (state.views.length === 0) return 'waits: no worker has joined this grid';
  return undefined;
}

function runningWords(state: BrokerState, principal: PrincipalId): string | undefined {
  if (!mayRunNoMore(state, principal)) return undefined;
  const { running } = limitsOf(state, principal);
  return `waits: ${principal} may have ${running} tasks placed at a time, and has as many`;
}

function claimWords(state: BrokerState, task: Task): string | undefined {
  const claim = state.claims.find(({ task: claimed }) => claimed === task.id);
  if (claim === undefined) return undefined;
  const by = Number.isFinite(claim.startsBy) ? `; there will be enough by ${formatTime(claim.startsBy)}` : '';
  const ending = [...(state.workers.get(claim.worker)?.tasks ?? [])].filter(
    (id) => state.tasks.get(id)?.lease?.preempted?.by === task.id,
  );
  const made = ending.length === 0 ? '' : `: ${ending.map(formatTaskId).join(', ')} told to end`;
  return `waits: room is kept for it on ${nameOf(state, claim.worker)}${made}${by}`;
}
