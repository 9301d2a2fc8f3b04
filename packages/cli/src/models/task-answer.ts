/** What a task that asked a model answered, once it has ended: for programs as the server said it, for people in words. */
import { type Client, type Outcome, refusalOf } from '@gryphgen/client';
import {
  asksModel,
  type InferResult,
  readInferResult,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import { z } from 'zod';

export interface TaskAnswer extends Omit<InferResult, 'body'> {
  /** JSON, if it is that; else text. */
  readonly body: unknown;
}

/** Undefined where there is none: it did not succeed, or its answer went elsewhere. */
export function answerOf(outcome: Pick<Outcome, 'result'>): TaskAnswer | undefined {
  const { body, ...result } = readInferResult(outcome.result) ?? {};
  if (body === undefined || !('status' in result)) return undefined;
  return { ...(result as Omit<InferResult, 'body'>), body: parsed(body) };
}

/** Of a task that has ended. */
export async function answerOfTask(
  client: Client,
  task: TaskId,
  { kind, state }: Pick<TaskDocument, 'kind' | 'state'>,
): Promise<TaskAnswer | undefined> {
  return asksModel(kind) && state === 'succeeded' ? answerOf(await client.watch(task)) : undefined;
}

const answerSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish() }).optional(),
        text: z.string().optional(),
      }),
    )
    .optional(),
  data: z.array(z.object({ embedding: z.array(z.number()) })).optional(),
  results: z.array(z.object({ index: z.number(), relevance_score: z.number() })).optional(),
});

/** Whether its server took the question. */
export function isRefused({ status }: Pick<TaskAnswer, 'status'>): boolean {
  return status >= 400;
}

/** What it wrote; of numbers how many; of ranks the places, best first; of what it refused why. */
export function answerWords(
  { body, status }: TaskAnswer,
  { kind, model = '' }: { kind: string; model?: string },
): string {
  if (isRefused({ status })) {
    const words = typeof body === 'string' ? body : JSON.stringify(body);
    return refusalOf(words, status, model, asksModel(kind) ? kind : 'infer').message;
  }
  const { choices, data, results } = answerSchema.safeParse(body).data ?? {};
  if (choices !== undefined)
    return choices.map(({ message, text }) => message?.content ?? text ?? '').join('\n');
  if (data !== undefined)
    return `${data.length} ${data.length === 1 ? 'embedding' : 'embeddings'} of ${data[0]?.embedding.length ?? 0} numbers`;
  if (results !== undefined)
    return [...results]
      .sort((a, b) => b.relevance_score - a.relevance_score)
      .map(({ index, relevance_score: score }) => `${index}  ${score.toFixed(4)}`)
      .join('\n');
  return typeof body === 'string' ? body : JSON.stringify(body);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
