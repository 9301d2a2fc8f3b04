/** A task as named on the command line. */
import { parseQuestionId, parseTaskId, type TaskId } from '@gryphgen/protocol';
import { UsageError } from './problem.ts';

export function taskIdOf(text: string | undefined): TaskId {
  const id = parseTaskId(text ?? '');
  if (id === undefined)
    throw new UsageError(`found ${JSON.stringify(text ?? '')}, expected a task id such as t42`);
  return id;
}

/** And of a question to the gateway, `e3.17-2`: the task whose slot answered it. */
export function answeringTaskOf(text: string | undefined): TaskId {
  return parseQuestionId(text ?? '') ?? taskIdOf(text);
}
