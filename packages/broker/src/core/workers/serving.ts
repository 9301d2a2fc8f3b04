/** A worker's word about a service of its own (E23), by which it is known to run, too: kept with its lease, never journaled. */
import type { Served } from '@gryphgen/protocol';
import type { Context } from '../context.ts';
import { noteInstance } from '../models/hosting.ts';
import { leasedTo, setRunning, tellChanged } from '../outcomes.ts';
import type { TaskLease, Worker } from '../state.ts';

export function onServed(context: Context, worker: Worker, message: Served): void {
  const task = leasedTo(context.state, worker, message);
  if (task?.lease == null) {
    context.state.counters.fenced += 1;
    return;
  }
  const { seq, ports, health } = message;
  if (seq <= (task.lease.served?.seq ?? 0)) return;
  task.lease.served = { seq, ports, health };
  // `started` may have been lost, and is not repeated.
  if (task.phase === 'leased') setRunning(context, task, task.lease);
  else {
    noteInstance(context.state, task);
    tellChanged(context, task);
  }
}

/** What was told before stands; a later life of its worker counts anew. */
export function expectServed({ served }: TaskLease): void {
  if (served !== null) served.seq = 0;
}
