/**
 * A door to the grid with other services behind it: a model that is named with some is asked in the grid first, if the grid has
 * it, and then of each in turn.
 *
 * 1. Only what the grid cannot do now, or has not, is asked elsewhere: what it refuses (a limit, a bad request) stays refused.
 * 2. Once a byte of an answer has come nothing else is asked.
 * 3. What is answered elsewhere is no task of the grid's, has no id of one, and counts for none of a principal's limits.
 */
import type { AnswerHead, Question } from '@gryphgen/client';
import {
  type FailureCode,
  failure,
  familyOf,
  GridError,
  type InferResult,
  type TaskId,
} from '@gryphgen/protocol';
import type { Clock, Log } from '@gryphgen/runtime';
import type { Asker, DoorAnswer, GridDoor, ListedModel } from '../grid-door.ts';
import type { Provider, ProviderAnswer } from './provider.ts';

/** One of those that are asked for a model, and what that is called there. */
export interface Fallback {
  readonly provider: Provider;
  readonly model: string;
}

export interface FallbackDoorOptions {
  readonly grid: GridDoor;
  /** By the name that is asked for; each in the order in which they are asked. */
  readonly models: ReadonlyMap<string, readonly Fallback[]>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who answers, from the first byte on. */
interface Winner {
  readonly head: AnswerHead;
  readonly body: AsyncIterable<Uint8Array>;
  readonly result: Promise<InferResult>;
  readonly way: DoorAnswer['way'];
}

export class FallbackDoor implements GridDoor {
  private readonly options: FallbackDoorOptions;

  constructor(options: FallbackDoorOptions) {
    this.options = options;
  }

  async ask(who: Asker, question: Question, signal: AbortSignal): Promise<DoorAnswer> {
    const { grid, models } = this.options;
    const others = (models.get(question.model) ?? []).filter(({ provider }) =>
      provider.answers(question.path),
    );
    if (others.length === 0) return await grid.ask(who, question, signal);
    const asked = grid.ask(who, question, signal);
    let nth = 1;
    let way: DoorAnswer['way'] = 'task';
    const winner = this.first(asked, others, question, signal);
    const answered = winner.then(() => undefined);
    const task: Promise<TaskId | undefined> = asked
      .then(async (answer) => {
        const found = await answer.task;
        nth = answer.question;
        return found;
      })
      .catch(() => answered);
    const result = winner.then(async (won) => await won.result);
    const head = winner.then((won) => {
      way = won.way;
      return won.head;
    });
    // Who asks hears it by one of them.
    for (const told of [task, head, result]) told.catch(() => undefined);
    const body = bodyOf(winner);
    return {
      ...{ task, head, body, result },
      get question() {
        return nth;
      },
      get way() {
        return way;
      },
    };
  }

  async models(who: Asker, signal: AbortSignal): Promise<readonly ListedModel[]> {
    const own = await this.options.grid.models(who, signal);
    const names = new Set(own.map(({ name }) => name));
    const others = [...this.options.models]
      .filter(([name]) => !names.has(name))
      .map(([name, [first]]) => ({
        ...{ name, addedAt: 0, owner: first?.provider.name ?? '', use: 'infer' as const, instances: [] },
      }));
    return [...own, ...others];
  }

  private async first(
    asked: Promise<DoorAnswer>,
    others: readonly Fallback[],
    question: Question,
    signal: AbortSignal,
  ): Promise<Winner> {
    let why: GridError;
    try {
      const answer = await asked;
      const head = await answer.head;
      return { head, body: answer.body, result: answer.result, way: answer.way };
    } catch (error) {
      if (!(error instanceof GridError) || signal.aborted || !mayAskElsewhere(error.code)) throw error;
      why = error;
    }
    for (const { provider, model } of others) {
      this.options.log.info(
        { model: question.model, provider: provider.name, code: why.code },
        'asks a provider',
      );
      try {
        return this.wonBy(
          await provider.ask({ path: question.path, request: question.request, model, signal }),
        );
      } catch (error) {
        if (!(error instanceof GridError) || signal.aborted) throw error;
        this.options.log.warn({ provider: provider.name, why: error.message }, 'a provider does not answer');
        why = error;
      }
    }
    throw why;
  }

  private wonBy({ status, contentType, body }: ProviderAnswer): Winner {
    const begun = this.options.clock.mono();
    let end: (result: InferResult) => void = () => undefined;
    let fail: (error: unknown) => void = () => undefined;
    const result = new Promise<InferResult>((resolve, reject) => {
      [end, fail] = [resolve, reject];
    });
    const { clock } = this.options;
    const pieces = async function* (): AsyncGenerator<Uint8Array, void> {
      try {
        yield* body;
        end({ status, firstMs: 0, restMs: clock.mono() - begun });
      } catch (error) {
        fail(error);
        throw error;
      } finally {
        fail(notTaken);
      }
    };
    return { head: { status, contentType }, body: pieces(), result, way: 'provider' };
  }
}

const notTaken = new GridError(failure('cancelled.user', 'nobody takes the answer any more'));

async function* bodyOf(winner: Promise<Winner>): AsyncGenerator<Uint8Array, void> {
  yield* (await winner).body;
}

/** What another may do better. */
function mayAskElsewhere(code: FailureCode): boolean {
  if (code === 'rejected.not-found' || code === 'rejected.impossible') return true;
  const family = familyOf(code);
  return family === 'unplaceable' || family === 'lost' || family === 'execution';
}
