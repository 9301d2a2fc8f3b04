/** What a model's server says instead of an answer. */
import { type Failure, failure, type ModelUse } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import { z } from 'zod';

const refusalSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string().optional(),
    n_prompt_tokens: z.number().optional(),
    n_ctx: z.number().optional(),
  }),
});

/** What the server answers instead, in words. */
export function refusalOf(body: string, status: number, model: string, use: ModelUse): Failure {
  const error = refusalIn(body);
  const code = status >= 500 ? 'execution.model' : 'rejected.invalid';
  if (error === undefined) return failure(code, `${model} answers ${status}: ${body.slice(0, 500)}`);
  const { n_prompt_tokens: has, n_ctx: room, message } = error;
  if (has === undefined || room === undefined) return failure(code, `${model} answers ${status}: ${message}`);
  const what = use === 'infer' ? 'the conversation' : 'the text';
  const words = `${what} has ${has} tokens, and ${model} has room for ${room}: shorten it, or give the model more by "grid models add ${model} FILE --ctx N"`;
  return failure('rejected.invalid', words);
}

function refusalIn(body: string): z.infer<typeof refusalSchema>['error'] | undefined {
  return refusalSchema.safeParse(parseJson(body)).data?.error;
}
