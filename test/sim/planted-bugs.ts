/**
 * Bugs to plant, each as a replacement in the built code of a copy of the packages. They are what the simulator is for:
 * if one is not found, the workload or the checks are too weak.
 *
 * 1. The snippet to replace must be there exactly once: when the code has moved on, so must the patch.
 */
export interface PlantedBug {
  readonly name: string;
  /** Under packages/<package>/dist. */
  readonly file: string;
  readonly snippet: string;
  readonly instead: string;
  /** A run that breaks by it, as of the simulator's draws when it was noted; 1 where none is known. Tried first. */
  readonly seed: number;
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'acknowledge before fsync',
    file: 'broker/dist/core/submitting.js',
    snippet: "send(context, session, { kind: 'accepted', seq, task, progress }, !isEphemeral(task));",
    instead: "send(context, session, { kind: 'accepted', seq, task, progress }, false);",
    seed: 1,
  },
  {
    name: 'forget the fence on a late result',
    file: 'broker/dist/core/outcomes.js',
    snippet:
      'export function onResult(context, worker, session, message) {\n    const task = leasedTo(context.state, worker, message);',
    instead:
      'export function onResult(context, worker, session, message) {\n    const task = context.state.tasks.get(message.task);',
    seed: 1,
  },
  {
    name: 'release a reservation twice',
    file: 'broker/dist/core/record/apply.js',
    snippet: 'release(worker.view.ledger, lease.reservation);',
    instead:
      'release(worker.view.ledger, lease.reservation);\n    release(worker.view.ledger, lease.reservation);',
    seed: 1,
  },
  {
    name: 're-lease on a stale heartbeat',
    file: 'broker/dist/core/workers/workers.js',
    snippet: 'if (sentAt > due || arrived)\n            continue;',
    instead:
      "if (!arrived && sentAt <= due)\n            attemptFailed(context, task, failure('lost.worker', 'not listed'));\n        if (sentAt > due || arrived || task.lease === null)\n            continue;",
    seed: 1,
  },
  {
    name: "count the broker's own pause against workers",
    file: 'broker/dist/core/passing-time.js',
    snippet: 'Math.min(Math.max(0, mono - state.lastMono), 4 * state.timers.tickMs)',
    instead: 'Math.max(0, mono - state.lastMono)',
    seed: 1,
  },
  {
    name: 'drop the idempotency key at snapshot',
    file: 'broker/dist/core/record/snapshot.js',
    snippet: 'keys: [...state.keys].map(([name, { task, spec, at }]) => [name, task, spec, at]),',
    instead: 'keys: [],',
    seed: 4,
  },
  {
    name: 'drop the deadline of a drain at snapshot',
    file: 'broker/dist/core/record/snapshot.js',
    snippet: 'deadline ?? { at: 0, ms: null }',
    instead: '{ at: 0, ms: null }',
    seed: 48,
  },
  {
    name: 'end what runs on a draining machine before the deadline',
    file: 'broker/dist/core/workers/draining.js',
    snippet: 'return mono >= deadline.dueMono;',
    instead: 'return true;',
    seed: 2,
  },
  {
    name: 'take an older worker’s word for a cancel that was a drain',
    file: 'broker/dist/core/workers/draining.js',
    snippet: " || told.code === 'cancelled.user'",
    instead: '',
    seed: 13,
  },
  {
    name: 'lose a cancel that crosses a start',
    file: 'worker/dist/core/stops.js',
    snippet: 'const overtaking = stop.leaseSeq > 0 && session.leases.take(stop.leaseSeq);',
    instead: 'const overtaking = false;',
    seed: 101,
  },
  {
    name: 'replay a lease without its devices',
    file: 'broker/dist/recovery.js',
    snippet: 'apply(state, group.epoch, decision);',
    instead: 'apply(state, group.epoch, decision[0] === 2 ? decision.with(4, []) : decision);',
    seed: 2,
  },
  {
    name: 'ack the same credit twice',
    file: 'broker/dist/credit-account.js',
    snippet: 'this.answered = Math.min(this.received, this.answered + count);',
    instead: 'this.answered += 2 * count;',
    seed: 9,
  },
  {
    name: 'adopt an attempt of an older epoch',
    file: 'broker/dist/core/workers/workers.js',
    snippet: 'const task = leasedTo(state, worker, reported);',
    instead:
      'const task = leasedTo(state, worker, reported);\n    if (task?.lease == null && reported.epoch < state.epoch)\n        return true;',
    seed: 17,
  },
  {
    name: 'step a stranger’s frame in the session it names',
    file: 'broker/dist/sessions.js',
    snippet: 'session === undefined || session.peer !== peer',
    instead: 'session === undefined',
    seed: 4,
  },
  {
    name: 'let a viewer submit',
    file: 'broker/dist/core/principals/roles.js',
    snippet: "submit: ['none', ",
    instead: "submit: ['own', ",
    seed: 14,
  },
  {
    name: 'let a session outlive its key',
    file: 'broker/dist/sessions.js',
    snippet: 'if (session.key !== key && session.principal !== principal)\n                continue;',
    instead: 'continue;',
    seed: 20,
  },
  {
    name: 'let a submitter see everybody’s work',
    file: 'broker/dist/core/principals/roles.js',
    snippet: "extent === 'own' && isOwn(session, task)",
    instead: "extent === 'own'",
    seed: 1,
  },
  {
    name: 'forget how much a principal has placed',
    file: 'broker/dist/core/placing/scheduling.js',
    snippet: 'mayRunNoMore(state, next.from.owner) || ',
    instead: '',
    seed: 7,
  },
  {
    name: 'forget how much a principal holds',
    file: 'broker/dist/core/principals/quotas.js',
    snippet: 'held[each] + need[each] > ',
    instead: 'need[each] > ',
    seed: 1,
  },
  {
    name: 'place without regard to priority',
    file: 'broker/dist/core/placing/turn-order.js',
    snippet: 'b.line.priority - a.line.priority ||',
    instead: '',
    seed: 1,
  },
  {
    name: 'place without regard to what each principal has had',
    file: 'broker/dist/core/placing/turn-order.js',
    snippet: ' || a.standing - b.standing;',
    instead: ';',
    seed: 3,
  },
  {
    name: 'give room away that is kept for another',
    file: 'broker/dist/core/placing/claims.js',
    snippet: 'if (heeded.length === 0)',
    instead: 'if (heeded.length >= 0)',
    seed: 8,
  },
  {
    name: 'take what was ended for another task for a loss',
    file: 'broker/dist/core/workers/draining.js',
    snippet: 'if (by !== undefined)',
    instead: 'if (by === null)',
    seed: 14,
  },
  {
    name: 'forget at a snapshot what was told to end for another task',
    file: 'broker/dist/core/record/saved-task.js',
    snippet: 'if (by !== undefined && at !== undefined)',
    instead: 'if (by === null)',
    seed: 113,
  },
  {
    name: 'begin what runs into a planned drain',
    file: 'broker/dist/core/workers/windows.js',
    snippet: 'lengthMs > inMs',
    instead: 'lengthMs < 0',
    seed: 36,
  },
  {
    name: 'end what may not be ended for others',
    file: 'broker/dist/core/placing/preempting.js',
    snippet: '!isPreemptible(envelope) || ',
    instead: '',
    seed: 19,
  },
  {
    name: 'forget at replay what a principal has had',
    file: 'broker/dist/core/record/snapshot.js',
    snippet: 'state.use.load(snapshot.use ?? []);',
    instead: 'state.use.load([]);',
    seed: 6,
  },
  {
    name: 'drop the bytes of a result',
    file: 'broker/dist/core/outcomes.js',
    snippet: 'outcome.byteLength > 0 && outcome',
    instead: 'false && outcome',
    seed: 1,
  },
  {
    name: 'let backoffs not grow',
    file: 'broker/dist/core/outcomes.js',
    snippet: '2 ** Math.min(failures, 20)',
    instead: '1',
    seed: 1,
  },
  {
    name: 'end an attempt for what one look saw of a device',
    file: 'worker/dist/core/overuse.js',
    snippet: '< leastApartMs',
    instead: '< 0',
    seed: 9,
  },
  {
    name: 'end an attempt that harms nobody',
    file: 'worker/dist/core/device-claims.js',
    snippet: 'soonFreeBytes < allOutstandingBytes ? neediest : null',
    instead: 'neediest',
    seed: 89,
  },
  {
    name: 'take an older word of a service for the newest',
    file: 'broker/dist/core/workers/serving.js',
    snippet: 'seq <= (task.lease.served?.seq ?? 0)',
    instead: 'false',
    seed: 507,
  },
  {
    name: 'leave a slot lent while others wait for it',
    file: 'broker/dist/core/models/loans.js',
    snippet: '!isAsked && !isWanted',
    instead: '!isWanted',
    seed: 3,
  },
  {
    name: 'lose a field in the codec',
    file: 'protocol/dist/lease-parts.js',
    snippet: '[share.uuid, share.vramBytes, share.whole]',
    instead: '[share.uuid, share.vramBytes, false]',
    seed: 5,
  },
];
