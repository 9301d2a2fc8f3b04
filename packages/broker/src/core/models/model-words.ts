/** What becomes of the model that a waiting request asks, in words. */
import { asksModel, formatTaskId } from '@gryphgen/protocol';
import { nameOf } from '../documents.ts';
import type { BrokerState, Task } from '../state.ts';
import { isReady, usableOf } from './hosting.ts';
import { instanceLife } from './model-life.ts';
import { neverWords } from './never-fits.ts';

/** Undefined of what asks none. */
export function modelWords(state: BrokerState, { spec: { envelope } }: Task): string | undefined {
  const { kind, model: name } = envelope;
  if (!asksModel(kind) || name === undefined) return undefined;
  const model = state.models.known.get(name);
  if (model === undefined) return `waits: ${name} was removed from the grid`;
  const life = state.models.lifeOf(name);
  const usable = usableOf(state, name);
  const coming = usable.find((task) => !isReady(task));
  if (coming !== undefined) return `waits: ${comingWords(state, name, coming)}`;
  if (usable.length > 0) {
    const { max } = model.spec.replicas;
    const one = usable.length === 1 ? 'its instance has' : `its ${usable.length} instances have`;
    return `waits: ${name} is loaded, ${one} no slot free for it; there may be ${max}`;
  }
  const never = neverWords(state, model);
  if (never !== '') return `waits: ${never}`;
  if (life.trouble !== '' && state.watch < life.tryAgainAt) return `waits: ${life.trouble}`;
  if (life.reasons.length > 0) return `waits: ${name} fits nowhere now: ${life.reasons.join('; ')}`;
  return `waits: an instance of ${name} is about to be begun`;
}

function comingWords(state: BrokerState, name: string, task: Task): string {
  const id = formatTaskId(task.id);
  if (task.lease === null) {
    if (task.notBefore > 0)
      return `${name} is to be loaded again (${id}): ${task.lastFailure?.message ?? ''}`;
    return `an instance of ${name} waits for its place ${instanceLife(state.models.lifeOf(name), task.id).words} (${id})`;
  }
  const doing = task.phase === 'running' ? 'is loading' : 'is brought and loaded';
  const { words } = instanceLife(state.models.lifeOf(name), task.id);
  return `${name} ${doing} ${words || `on ${nameOf(state, task.lease.worker)}`} (${id})`;
}
