/**
 * What happens because time passes: silence, lost leases, overdue drains, backoffs, waits that took too long, room that is
 * kept, forgetting
 * (E12, E13, E17).
 */
import type { ClientId } from '@gryphgen/protocol';
import { failure, formatDuration, limits } from '@gryphgen/protocol';
import { changeView, release } from '@gryphgen/scheduler';
import { lookAfterCopies } from './collections/carrying.ts';
import type { Context } from './context.ts';
import { closeSession, decide } from './context.ts';
import { askerOf, isAttended } from './models/attended-tasks.ts';
import { lookAfterModels } from './models/instances.ts';
import { recallLoans } from './models/loans.ts';
import { modelWords } from './models/model-words.ts';
import { writeLessons } from './models/writing-lessons.ts';
import { attemptFailed, cancel, end, listenerMs, tellChanged } from './outcomes.ts';
import { keepRoom } from './placing/claims.ts';
import { watchPolicy } from './placing/policy-orders.ts';
import { preempt } from './placing/preempting.ts';
import { joinLine } from './placing/waiting-line.ts';
import { decided } from './record/decisions.ts';
import type { BrokerState, Task, Worker } from './state.ts';
import { endDrained } from './workers/draining.ts';
import { followWindows, noteUpcoming } from './workers/windows.ts';

/** Entries a single tick may look at and forget: bounds its time and the record. */
const forgetBatch = 1000;
/** Heartbeats a worker may miss before nothing new is placed on it. */
const silentHeartbeats = 3;
/** For who asked to be there again (E37): longer than a client takes to find its broker anew. */
const absenceMs = 10_000;

/** Moves the watch clock by the time since the last event, at most four ticks: the rest nobody was watching (E13). */
export function advanceWatch(state: BrokerState, mono: number): void {
  state.watch += Math.min(Math.max(0, mono - state.lastMono), 4 * state.timers.tickMs);
  state.lastMono = mono;
}

export function onTick(context: Context): void {
  const { state } = context;
  for (const worker of state.workers.values()) {
    checkWorker(context, worker);
    followWindows(context, worker);
    endDrained(context, worker);
  }
  noteUpcoming(context);
  if (state.choosing) state.wake = true;
  for (;;) {
    const due = state.deadlines.takeDue(state.watch);
    if (due === undefined) break;
    const task = state.tasks.get(due.task) as Task;
    if (due.kind === 'backoff') backoffOver(context, task);
    else if (task.phase === 'waiting') queueTimedOut(context, task);
  }
  endUnattended(context);
  lookAfterModels(context);
  lookAfterCopies(context);
  recallLoans(context);
  watchPolicy(context);
  keepRoom(context);
  preempt(context);
  writeLessons(context);
  forgetKeys(context);
  forgetClients(context);
}

function checkWorker(context: Context, worker: Worker): void {
  const { state } = context;
  const { leaseMs, graceMs, heartbeatMs } = state.timers;
  const silentMs = state.watch - worker.heardAt;
  if (worker.session !== null) {
    const connected = silentMs <= silentHeartbeats * heartbeatMs;
    if (connected && !worker.view.connected) {
      state.waiting.capacityVersion += 1;
      state.wake = true;
    }
    changeView(worker.view, { connected });
  }
  if (silentMs <= leaseMs + graceMs) return;
  const words = `${worker.view.name} was not heard of for ${formatDuration(leaseMs + graceMs)}`;
  if (worker.session !== null) closeSession(context, worker.session, failure('lost.link', words));
  for (const id of [...worker.tasks]) {
    const task = state.tasks.get(id);
    if (task === undefined) continue;
    if (task.spec.envelope.onLinkLost === 'wait' && !task.cancelRequested) continue;
    state.counters.expired += 1;
    attemptFailed(context, task, failure('lost.link', words));
  }
  // Nothing new is placed there until it says hello, which lists what it still runs.
  for (const { reservation } of worker.ghosts.values()) release(worker.view.ledger, reservation);
  worker.ghosts.clear();
}

function queueTimedOut(context: Context, task: Task): void {
  const { queueTimeoutMs } = task.spec.envelope;
  const why = modelWords(context.state, task)?.replace(/^waits: /, ': ') ?? '';
  const words = `no place was found within ${formatDuration(queueTimeoutMs)}${why}`;
  end(context, task, 'failed', failure('unplaceable.timeout', words));
}

/** Nobody is there to read what they would answer (E37). */
function endUnattended(context: Context): void {
  const { models, tasks, watch } = context.state;
  for (const id of models.attended.takeLost(watch - absenceMs)) {
    const task = tasks.get(id);
    if (task !== undefined) cancel(context, task);
  }
}

function backoffOver(context: Context, task: Task): void {
  const { state } = context;
  if (isAttended(task)) {
    const asker = askerOf(state, task);
    if (asker === undefined) {
      cancel(context, task);
      return;
    }
    if (state.models.attended.isDoubted(task, asker)) {
      task.notBefore = state.watch + listenerMs;
      state.deadlines.add({ at: task.notBefore, kind: 'backoff', task: task.id });
      // What cannot be sent ends the session.
      tellChanged(context, task);
      return;
    }
  }
  task.notBefore = 0;
  joinLine(state, task);
  state.wake = true;
}

/** One whose task still lives is kept, and looked at again in the next round. */
function forgetKeys(context: Context): void {
  const { state, now } = context;
  const old: string[] = [];
  for (let looks = 0; looks < forgetBatch; looks += 1) {
    state.keySweep ??= state.keys.entries();
    const { done, value } = state.keySweep.next();
    if (done || now.wall - value[1].at < limits.keyMs) {
      state.keySweep = null;
      break;
    }
    const [name, { task }] = value;
    if (!state.tasks.has(task)) old.push(name);
  }
  if (old.length > 0) decide(context, [decided.keysForgotten, old, now.wall]);
}

/** Of those that vanished, and might still come back to repeat a submission that was not answered (E5). */
function forgetClients(context: Context): void {
  const { state, now } = context;
  const keptMs = state.clients.size > limits.clients / 2 ? limits.clientReturnMs : limits.clientWindowMs;
  const old: ClientId[] = [];
  for (const [client, since] of state.away) {
    if (state.watch - since < keptMs || old.length === forgetBatch) break;
    old.push(client);
  }
  if (old.length > 0) decide(context, [decided.clientsForgotten, old, now.wall]);
}
