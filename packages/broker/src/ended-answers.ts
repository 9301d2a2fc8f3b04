/** What is said of tasks that ended so long ago that only the history knows them, or nobody does. */
import {
  type ExplainDocument,
  type Failure,
  failure,
  formatTaskId,
  limits,
  type Message,
  type PastTask,
  type PastTaskPage,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import { foretold } from './core/learning.ts';
import { foretoldAndSeen } from './core/placing/explaining.ts';
import { noOutcome } from './core/record/apply.ts';
import { unknownEnd } from './core/watching.ts';
import type { HistoryPage } from './journal/journal.ts';

export function unknownTask(task: TaskId): Failure {
  return failure('rejected.not-found', `no task ${formatTaskId(task)} on this grid`);
}

export function withoutScores(document: TaskDocument): ExplainDocument {
  const { id, state, endedAt } = document;
  const decision = 'it ended long ago; the scores of its placement were not kept';
  return { id, state, when: 'placed', decision, workers: [], ...foretoldAndSeen(document, endedAt) };
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

/** What a replay can use: what ran, and was not a service, which runs until it is ended. */
export function pastTasks({ rows, next }: HistoryPage): PastTaskPage {
  const tasks = rows.flatMap(({ task, document }): PastTask[] => {
    const {
      worker,
      devices,
      queuedAt,
      placedAt = 0,
      startedAt,
      endedAt,
      envelope,
    } = JSON.parse(document) as TaskDocument;
    if (startedAt === 0 || worker === '' || envelope.restart !== undefined) return [];
    const { kind, resources, constraints, image, needs } = envelope;
    const shape = { kind, resources, constraints, ...(image && { image }), ...(needs && { needs }) };
    const { taskClass, inputBytes } = foretold(envelope);
    const device = devices[0]?.uuid;
    const past = { task, taskClass, shape, inputBytes, worker, queuedAt, placedAt, startedAt, endedAt };
    return [{ ...past, ...(device && { device }) }];
  });
  return { tasks, next };
}
