/** Answers that are of use only as a whole: JSON of a known shape. */
import { failure, formatTaskId, GridError, type InferResult, type ModelUse } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import type { z } from 'zod';
import type { Answer } from './open-answer.ts';
import { refusalOf } from './refusal.ts';

export interface WholeAnswer<T> {
  readonly value: T;
  readonly task: string;
  readonly result: InferResult;
}

/** Throws GridError: what the server refuses, in its words, and `execution.model` for an answer of another shape. */
export async function wholeAnswer<T>(
  answer: Answer,
  model: string,
  use: ModelUse,
  schema: z.ZodType<T>,
): Promise<WholeAnswer<T>> {
  const { status } = await answer.head;
  const text = await textOf(answer);
  if (status !== 200) throw new GridError(refusalOf(text, status, model, use));
  const { success, data } = schema.safeParse(parseJson(text));
  if (success) return { value: data, task: formatTaskId(await answer.task), result: await answer.result };
  throw new GridError(
    failure('execution.model', `${model} answers in another shape than it was asked: ${text.slice(0, 200)}`),
  );
}

export async function textOf({ body }: Pick<Answer, 'body'>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) text += decoder.decode(bytes, { stream: true });
  return text + decoder.decode();
}
