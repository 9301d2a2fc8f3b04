/** What a question to a collection is at, and how it is given up. */
import type { ChatOptions } from '../inference/chat.ts';
import type { AskOptions } from '../inference.ts';

export type AskStep =
  /** It waits for a model that is ready. */
  | { readonly kind: 'waiting'; readonly model: string }
  /** The model reads so many passages. */
  | { readonly kind: 'reading'; readonly model: string; readonly passages: number };

export interface AskCollectionOptions {
  readonly signal?: AbortSignal;
  readonly onStep?: (step: AskStep) => void;
}

/** Of a turn of a conversation with this model. */
export function chatOptions(model: string, { signal, onStep }: AskCollectionOptions): ChatOptions {
  return { ...(signal && { signal }), onWaiting: () => onStep?.({ kind: 'waiting', model }) };
}

/** Of any other question to it. */
export function questionOptions(model: string, options: AskCollectionOptions): AskOptions {
  const { onWaiting, ...rest } = chatOptions(model, options);
  return {
    ...rest,
    onChange: ({ state }) => {
      if (state === 'waiting') onWaiting?.();
    },
  };
}
