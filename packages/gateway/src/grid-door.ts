/** What the gateway asks of the grid, for whom. */
import type { Answer, AnswerWay, Question } from '@gryphgen/client';
import type { InstanceDocument, ModelDocument, PrincipalId, TaskId } from '@gryphgen/protocol';

export interface Asker {
  readonly principal: PrincipalId;
  readonly role: 'submitter' | 'viewer';
}

/** `task`: undefined where another than the grid answers. */
export interface DoorAnswer extends Omit<Answer, 'task' | 'way'> {
  readonly task: Promise<TaskId | undefined>;
  readonly way: AnswerWay | 'provider';
}

/** What is told of a model; without `serving` of one that is served elsewhere. */
export interface ListedModel extends Pick<ModelDocument, 'name' | 'addedAt' | 'owner' | 'use'> {
  readonly serving?: Pick<ModelDocument['serving'], 'slotTokens'>;
  readonly instances: readonly Pick<InstanceDocument, 'state'>[];
}

export interface GridDoor {
  /** Once `signal` is aborted the task is cancelled. Rejects with GridError when the grid cannot be reached. */
  ask(who: Asker, question: Question, signal: AbortSignal): Promise<DoorAnswer>;
  models(who: Asker, signal: AbortSignal): Promise<readonly ListedModel[]>;
}
