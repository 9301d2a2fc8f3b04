/**
 * Instances that do not come up (E34), or not for long: tried again as any service is, but of a model of which `mostFailed` in a
 * row have failed so none is begun for a while, twice as long each time. One that failed so often though it came up gives
 * way to another at once: the waits of a service would keep those who ask for too long. One that ran out of a device's memory
 * gives way to one that takes less of it; if that runs out, too, it is not tried a third time before the wait.
 */
import { type Failure, familyOf, formatDuration, formatTaskId, isOrdered } from '@gryphgen/protocol';
import { nameOf } from '../documents.ts';
import type { BrokerState, Task } from '../state.ts';
import { noteLack } from './memory-lacks.ts';
import { instanceLife, provenMs } from './model-life.ts';

const mostFailed = 3;
const firstWaitMs = 30_000;
const longestWaitMs = 600_000;

/** An attempt of an instance has failed. Whether it is not to be tried again; of other tasks never. `isLast`: nor would it be. */
export function givesUp(state: BrokerState, task: Task, why: Failure, isLast: boolean): boolean {
  const { kind, model: name } = task.spec.envelope;
  if (kind !== 'instance' || name === undefined || isOrdered(why.code)) return false;
  // One of a former specification is to end, and its failure says nothing of the present one.
  if (!state.models.isCurrent(name, task.id)) return true;
  const life = state.models.lifeOf(name);
  const of = instanceLife(life, task.id);
  const readyMs = of.readySince === null ? 0 : state.watch - of.readySince;
  const cameUp = of.readySince !== null;
  of.readySince = null;
  if (readyMs >= provenMs) return task.failures + 1 >= mostFailed;
  if (!isLast && familyOf(why.code) === 'lost') return false;
  const worker = task.lease?.worker ?? '';
  life.failed += 1;
  if (worker !== '') life.shunned.add(worker);
  // A trial that fails has said what was asked.
  const isTrial = state.models.isTrial(name);
  if (!isTrial && !cameUp && noteLack(life.lacks, task, why)) {
    life.isWanted = true;
    return true;
  }
  const isAgain = why.code === 'execution.oom' && worker !== '' && life.lacks.has(worker);
  if (life.failed < mostFailed && !isLast && !isAgain && !isTrial) return false;
  const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** life.troubles);
  life.troubles += 1;
  life.tryAgainAt = state.watch + waitMs;
  const times = life.failed === 1 ? '' : `, ${life.failed} times in a row`;
  const where = worker === '' ? '' : ` on ${nameOf(state, worker)}`;
  life.trouble = `${name} could not be loaded${times}: ${why.message} (${formatTaskId(task.id)}${where}); it is tried again after ${formatDuration(waitMs)}`;
  return true;
}
