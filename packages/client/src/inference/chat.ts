/** One turn of a conversation with a model: what it is asked, and its words as they come. */
import { formatTaskId, GridError, type InferResult } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import { z } from 'zod';
import type { Inference } from '../inference.ts';
import { eventData } from './event-stream.ts';
import type { Answer } from './open-answer.ts';
import { refusalOf } from './refusal.ts';
import { textOf } from './whole-answer.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatQuestion {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly maxTokens?: number;
  /** JSON Schema: its server lets it write nothing else. */
  readonly schema?: Readonly<Record<string, unknown>>;
  /** 0: always what it holds most likely. */
  readonly temperature?: number;
}

export interface ChatOptions {
  readonly signal?: AbortSignal;
  /** It waits for a model that is ready. */
  readonly onWaiting?: () => void;
}

export interface ChatEnd {
  readonly task: string;
  readonly text: string;
  /** `length`: there was room for no more; '' when the server does not tell. */
  readonly reason: string;
  readonly result: InferResult;
}

/** Its bytes are a stream of events, or what the server says is wrong. */
export function askChat(inference: Inference, question: ChatQuestion, options: ChatOptions = {}): Answer {
  const { model, messages, maxTokens, schema, temperature } = question;
  const { signal, onWaiting } = options;
  const request = {
    ...{ messages, stream: true, stream_options: { include_usage: true } },
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(schema && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    }),
    ...(temperature !== undefined && { temperature }),
  };
  return inference.ask(
    {
      ...{ kind: 'infer', model, path: '/v1/chat/completions' },
      request: new TextEncoder().encode(JSON.stringify(request)),
    },
    {
      ...(signal && { signal }),
      onChange: ({ state }) => {
        if (state === 'waiting') onWaiting?.();
      },
    },
  );
}

const pieceSchema = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).optional(),
        finish_reason: z.string().nullish(),
      }),
    )
    .optional(),
  error: z.unknown().optional(),
});

/** Throws GridError: what the server refuses too, in its words. */
export async function readChat(
  answer: Answer,
  model: string,
  onText: (text: string) => Promise<void> | void,
): Promise<ChatEnd> {
  const { status } = await answer.head;
  if (status !== 200) throw new GridError(refusalOf(await textOf(answer), status, model, 'infer'));
  let [text, reason] = ['', ''];
  for await (const data of eventData(answer.body)) {
    const piece = pieceOf(data);
    if (piece?.error !== undefined) throw new GridError(refusalOf(data, 500, model, 'infer'));
    for (const { delta, finish_reason } of piece?.choices ?? []) {
      const words = delta?.content ?? '';
      text += words;
      reason = finish_reason ?? reason;
      if (words !== '') await onText(words);
    }
  }
  return { task: formatTaskId(await answer.task), text, reason, result: await answer.result };
}

function pieceOf(data: string): z.infer<typeof pieceSchema> | undefined {
  return pieceSchema.safeParse(parseJson(data)).data;
}
