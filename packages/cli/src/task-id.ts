/** A task as named on the command line. */
import { parseTaskId, type TaskId } from '@gryphgen/protocol';
import { UsageError } from './problem.ts';

export function taskIdOf(text: string | undefined): TaskId {
  const id = parseTaskId(text ?? '');
  if (id === undefined)
    throw new UsageError(`found ${JSON.stringify(text ?? '')}, expected a task id such as t42`);
  return id;
}
