/**
 * Gives waiting tasks to workers, once a turn: classes by priority, then by their oldest task, so that none of equal
 * priority is starved by another's long line. A class that finds no place rests until capacity changes.
 */
import { isEphemeral } from '@gryphgen/protocol';
import { explain, place } from '@gryphgen/scheduler';
import type { Context } from './context.ts';
import { decide, sendLease } from './context.ts';
import { decided } from './decisions.ts';
import { tellChanged } from './outcomes.ts';
import type { BrokerState, PlacementNote, Task, Worker } from './state.ts';
import type { WaitingClass } from './waiting-queue.ts';

/** Placements tried in one turn; the rest follow in the next, after the sockets were served. */
const triesPerTurn = 2048;
/** Looks at a worker that they may take together: some 10 ms, on a grid however large. */
const looksPerTurn = 50_000;

interface Candidate {
  readonly from: WaitingClass;
  readonly task: Task;
}

export function schedule(context: Context): void {
  const { state } = context;
  state.wake = false;
  if (state.waiting.size === 0) return;
  const line = candidates(state);
  const most = Math.min(triesPerTurn, Math.ceil(looksPerTurn / (state.views.length + 1)));
  let tries = 0;
  for (let next = line.shift(); next !== undefined; next = line.shift()) {
    if (tries === most) {
      state.wake = true;
      return;
    }
    tries += 1;
    if (!placeTask(context, next.task)) {
      next.from.blockedAt = state.waiting.capacityVersion;
      continue;
    }
    const candidate = candidateOf(state, next.from);
    if (candidate !== undefined) insert(line, candidate);
  }
}

function candidates(state: BrokerState): Candidate[] {
  const { waiting } = state;
  const found: Candidate[] = [];
  for (const from of waiting.classes()) {
    if (from.blockedAt === waiting.capacityVersion) continue;
    const candidate = candidateOf(state, from);
    if (candidate !== undefined) found.push(candidate);
  }
  return found.sort(byTurn);
}

function candidateOf(state: BrokerState, from: WaitingClass): Candidate | undefined {
  const first = state.waiting.first(from);
  return first === undefined ? undefined : { from, task: state.tasks.get(first) as Task };
}

function byTurn(a: Candidate, b: Candidate): number {
  return b.from.priority - a.from.priority || a.task.turn - b.task.turn || a.task.id - b.task.id;
}

/** Keeps the line sorted; nearly always the place is the front. */
function insert(line: Candidate[], candidate: Candidate): void {
  let at = 0;
  while (at < line.length && byTurn(line[at] as Candidate, candidate) < 0) at += 1;
  if (at === 0) line.unshift(candidate);
  else line.splice(at, 0, candidate);
}

function placeTask(context: Context, task: Task): boolean {
  const { state, now } = context;
  const { envelope } = task.spec;
  const placement = place(envelope, state.views);
  if (placement.kind !== 'placed') return false;
  const why = state.notes.allows(state.views.length, state.watch) ? explain(envelope, state.views) : null;
  const devices = placement.reservation.devices.map((d) => [d.uuid, d.vramBytes, d.whole] as const);
  const attempt = (task.attempt + 1) as Task['attempt'];
  state.counters.leased += 1;
  decide(
    context,
    [decided.leased, task.id, attempt, placement.worker, devices, now.wall],
    !isEphemeral(task.id),
  );
  if (task.lease) {
    task.lease.note = why === null ? winnerOnly(placement.total) : { ...why };
    if (why !== null) state.notes.keep(task.lease.note);
  }
  sendLease(context, task, state.workers.get(placement.worker) as Worker);
  tellChanged(context, task);
  return true;
}

function winnerOnly(total: number): PlacementNote {
  return { decision: `placed in a burst of tasks; winner's total ${total.toFixed(3)}`, workers: [] };
}
