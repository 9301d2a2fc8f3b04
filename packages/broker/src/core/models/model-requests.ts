/** Tasks that ask a model, while none answers. */
import { asksModel, type Failure, type TaskId } from '@gryphgen/protocol';
import { type Context, mustWait } from '../context.ts';
import { end } from '../outcomes.ts';
import type { Task } from '../state.ts';

/** Of those that wait, ended at a time: the rest with the next tick. */
const mostEnded = 1000;

/** Ends those that wait for an instance of it; `which`: only those. */
export function endWaiting(
  context: Context,
  name: string,
  why: Failure,
  which: (id: TaskId) => boolean = () => true,
): void {
  const { tasks, waiting } = context.state;
  let left = mostEnded;
  for (const from of waiting.classes()) {
    for (let id = waiting.first(from); id !== undefined && left > 0; id = waiting.first(from)) {
      const task = tasks.get(id) as Task;
      const { kind, model } = task.spec.envelope;
      if (!asksModel(kind) || model !== name || mustWait(context.state, id) || !which(id)) break;
      end(context, task, 'failed', why);
      left -= 1;
    }
  }
}
