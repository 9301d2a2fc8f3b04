/** What the gateway asks of the grid, for whom. */
import type {
  InferResult,
  ModelDocument,
  ModelPath,
  ModelUse,
  PrincipalId,
  TaskId,
} from '@gryphgen/protocol';

export interface Question {
  readonly kind: ModelUse;
  readonly model: string;
  readonly path: ModelPath;
  readonly request: Uint8Array;
  readonly priority?: number;
  readonly name?: string;
}

/** As the client SDK's `Inference` gives it. Each promise may reject, with a GridError; who does not look takes no harm. */
export interface Answer {
  readonly task: Promise<TaskId>;
  readonly head: Promise<{ readonly status: number; readonly contentType: string }>;
  /** Throws GridError where the answer breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly result: Promise<InferResult>;
}

export interface Asker {
  readonly principal: PrincipalId;
  readonly role: 'submitter' | 'viewer';
}

export interface GridDoor {
  /** Once `signal` is aborted the task is cancelled. Rejects with GridError when the grid cannot be reached. */
  ask(who: Asker, question: Question, signal: AbortSignal): Promise<Answer>;
  models(who: Asker, signal: AbortSignal): Promise<readonly ModelDocument[]>;
}
