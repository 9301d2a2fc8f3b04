/** What is said of tasks that ended so long ago that only the history knows them, or nobody does. */
import {
  type Failure,
  failure,
  formatTaskId,
  limits,
  type Message,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import { noOutcome } from './core/apply.ts';
import { unknownEnd } from './core/watching.ts';

export function unknownTask(task: TaskId): Failure {
  return failure('rejected.not-found', `no task ${formatTaskId(task)} on this grid`);
}

export function bodyGone(): Failure {
  const words =
    `its command is not kept any more: the grid keeps those of unfinished tasks and of about ` +
    `${limits.finishedTasks} that ended last; submit it anew`;
  return failure('rejected.not-found', words);
}

export function finishedFrom(task: TaskId, document: TaskDocument | undefined): Message {
  const ended = document?.state;
  if (document === undefined || (ended !== 'succeeded' && ended !== 'failed' && ended !== 'cancelled')) {
    return unknownEnd(task, unknownTask(task));
  }
  const { attempts, exitCode, failure: why } = document;
  return {
    kind: 'finished',
    task,
    attempt: attempts as never,
    state: ended,
    exitCode: exitCode ?? -1,
    failure: why,
    outcome: noOutcome,
  };
}
