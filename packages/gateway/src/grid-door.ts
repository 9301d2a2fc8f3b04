/** What the gateway asks of the grid, for whom. */
import type { Answer, Question } from '@gryphgen/client';
import type { ModelDocument, PrincipalId } from '@gryphgen/protocol';

export interface Asker {
  readonly principal: PrincipalId;
  readonly role: 'submitter' | 'viewer';
}

export interface GridDoor {
  /** Once `signal` is aborted the task is cancelled. Rejects with GridError when the grid cannot be reached. */
  ask(who: Asker, question: Question, signal: AbortSignal): Promise<Answer>;
  models(who: Asker, signal: AbortSignal): Promise<readonly ModelDocument[]>;
}
