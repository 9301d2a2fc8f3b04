/**
 * What a worker says its attempts use, and used. It is its word alone: more than its machine has is not believed, and not
 * kept. Nothing is learned from it then, and nobody is charged by it.
 *
 * 1. Memory that an attempt holds beyond its reservation is nobody else's: placement counts it on top of the ledger, as
 *    long as heartbeats tell of it. On devices the worker counts it as foreign itself.
 */

import {
  type Fetched,
  formatBytes,
  formatTaskId,
  type Heartbeat,
  type Result,
  type Usage,
  type Use,
  type WorkerReport,
} from '@gryphgen/protocol';
import { changeView } from '@gryphgen/scheduler';
import type { BrokerState, Task, TaskLease, Worker } from '../state.ts';
import { doubt } from './doubts.ts';

/** Clocks differ, and time on processors is counted in ticks. */
const slackMs = 1000;
/** A machine's threads are told, but not how exactly a look keeps to its time. */
const slackFactor = 2;
/** What moves by less is not another amount: each is a reason to place anew. */
const beyondStep = 64 * 1024 ** 2;

/** What can be of it. */
export function believableUsage(
  worker: Worker,
  { leasedAt }: Pick<TaskLease, 'leasedAt'>,
  { task, usage }: Pick<Result, 'task' | 'usage'>,
  wall: number,
): Usage | undefined {
  const { report } = worker.view;
  if (usage === undefined || report === null) return undefined;
  const { cpuMs, peakMemoryBytes: memoryBytes, peakVramBytes: vramBytes } = usage;
  const mostCpuMs = (Math.max(0, wall - leasedAt) + slackMs) * threadsOf(report);
  const name = formatTaskId(task);
  return {
    ...(isWithin(cpuMs, mostCpuMs) && { cpuMs }),
    ...(hasMemory(worker, report, name, memoryBytes) && { peakMemoryBytes: memoryBytes }),
    ...(hasVram(worker, report, name, vramBytes) && { peakVramBytes: vramBytes }),
  };
}

/** Of all attempts that a heartbeat lists. Returns the tasks of which more has come of what they are given. */
export function noteUses(state: BrokerState, worker: Worker, { attempts }: Heartbeat): readonly Task[] {
  const { tasks } = state;
  const moved: Task[] = [];
  const { report, beyondBytes: heldBefore } = worker.view;
  if (report === null) return moved;
  let beyondBytes = 0;
  for (const [id, attempt, use] of attempts) {
    const held = holderOf(state, worker, id, attempt);
    if (held === undefined) continue;
    const seen = use && believableUse(worker, report, formatTaskId(id), use);
    if ('use' in held) {
      const task = tasks.get(id);
      const before = held.use?.fetched;
      const fetched = task?.phase === 'leased' ? fetchedBy(task, before, use?.fetched) : undefined;
      held.use = seen || fetched ? { ...seen, ...(fetched && { fetched }) } : null;
      if (task !== undefined && percentOf(fetched) > percentOf(before)) moved.push(task);
    }
    beyondBytes += Math.max(0, (seen?.memoryBytes ?? 0) - held.reservation.memoryBytes);
  }
  beyondBytes = Math.ceil(beyondBytes / beyondStep) * beyondStep;
  changeView(worker.view, { beyondBytes });
  if (beyondBytes >= heldBefore) return moved;
  state.waiting.capacityVersion += 1;
  state.wake = true;
  return moved;
}

/** The lease, or the ghost, that this attempt has here. */
function holderOf(
  { tasks }: BrokerState,
  { id: worker, ghosts }: Worker,
  id: Heartbeat['attempts'][number][0],
  attempt: number,
): TaskLease | { readonly reservation: TaskLease['reservation'] } | undefined {
  const task = tasks.get(id);
  if (task?.lease?.worker === worker && task.attempt === attempt)
    return task.lease.idle ? undefined : task.lease;
  for (const ghost of ghosts.values()) if (ghost.task === id && ghost.attempt === attempt) return ghost;
  return undefined;
}

/** It only grows in a lease, so who watches is told a hundred times at most, whatever a worker says how often. */
function fetchedBy(
  { spec: { envelope } }: Task,
  before: Fetched | undefined,
  said: Fetched | undefined,
): Fetched | undefined {
  const given = (envelope.inputs ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
  if (said === undefined || said.of !== given || said.bytes > given) return before;
  return said.bytes > (before?.bytes ?? -1) ? said : before;
}

function percentOf(fetched: Fetched | undefined): number {
  return fetched === undefined ? -1 : Math.floor((100 * fetched.bytes) / Math.max(1, fetched.of));
}

function believableUse(worker: Worker, report: WorkerReport, name: string, use: Use): Use {
  const { cpuMilli, memoryBytes, vramBytes } = use;
  return {
    ...(isWithin(cpuMilli, slackFactor * 1000 * threadsOf(report)) && { cpuMilli }),
    ...(hasMemory(worker, report, name, memoryBytes) && { memoryBytes }),
    ...(hasVram(worker, report, name, vramBytes) && { vramBytes }),
  };
}

function threadsOf({ cpuMilli, hardware }: WorkerReport): number {
  return Math.max(cpuMilli / 1000, hardware?.cpu.threads ?? 0);
}

function hasMemory(
  worker: Worker,
  { memoryBytes }: WorkerReport,
  name: string,
  said: number | undefined,
): said is number {
  if (said !== undefined && said > memoryBytes)
    doubt(
      worker,
      'use',
      `said that ${name} held ${formatBytes(said)} of its ${formatBytes(memoryBytes)} memory`,
    );
  return isWithin(said, memoryBytes);
}

function hasVram(
  worker: Worker,
  { devices }: WorkerReport,
  name: string,
  said: number | undefined,
): said is number {
  const vramBytes = devices.reduce((sum, device) => sum + device.vramBytes, 0);
  if (said !== undefined && said > vramBytes)
    doubt(
      worker,
      'use',
      `said that ${name} held ${formatBytes(said)} of the ${formatBytes(vramBytes)} of its devices`,
    );
  return isWithin(said, vramBytes);
}

function isWithin(amount: number | undefined, most: number): amount is number {
  return amount !== undefined && amount <= most;
}
