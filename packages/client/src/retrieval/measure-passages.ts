/** How the context of a model is shared out among instructions, question, passages and answer, in its own tokens. */
import { failure, GridError, type ModelDocument } from '@gryphgen/protocol';
import type { Inference } from '../inference.ts';
import { type AskCollectionOptions, questionOptions } from './ask-progress.ts';
import { fenceFor, framingOf, quotationOf } from './ask-prompt.ts';
import { type Budget, budgetSchema, type Chunk, chunkSchema } from './ask-steps.ts';
import type { ReadPassage } from './beside-passages.ts';
import { countTokens } from './count-tokens.ts';

const usualAnswerTokens = 1024;
/** Of a slot, what the answer may have at most. */
const answerShare = 0.25;
/** What a chat template puts around two messages. */
const templateTokens = 64;
/** The number of a passage, and where two texts meet. */
const jointTokens = 8;
/** Quoted by a number that is no shorter than its own while it is counted. */
const countedNumber = 999;

interface Readable {
  readonly passages: readonly ReadPassage[];
  /** Their texts may be cut. */
  readonly partial: boolean;
}

export interface Measured {
  readonly budget: Budget;
  readonly chunks: readonly Chunk[];
  readonly task: string;
}

/**
 * What each passage takes of the model's context, and what there is for them. Throws GridError `rejected.invalid` where the
 * question leaves nothing, or less than is asked for.
 */
export async function measurePassages(
  inference: Inference,
  { name: model, serving: { slotTokens } }: ModelDocument,
  question: string,
  { passages, partial }: Readable,
  budgetTokens: number | undefined,
  options: AskCollectionOptions,
): Promise<Measured> {
  const quotable = passages.flatMap(({ text = '', ...rest }) => (text === '' ? [] : { ...rest, text }));
  const fence = fenceFor(quotable.map(({ text }) => text));
  const framing = framingOf(question);
  const quoted = quotable.map((passage) => quotationOf(countedNumber, passage, fence));
  const count = await countTokens(inference, model, [...framing, ...quoted], questionOptions(model, options));
  const frame = count.tokens.slice(0, framing.length).reduce((sum, tokens) => sum + tokens, templateTokens);
  const answerTokens = Math.max(1, Math.min(usualAnswerTokens, Math.floor(slotTokens * answerShare)));
  const left = slotTokens - frame - answerTokens;
  if (left <= 0)
    throw invalid(
      `the question takes ${frame} tokens with its instructions, and ${model} has ${slotTokens}, of which ${answerTokens} are for the answer: ask shorter, or a model with more context`,
    );
  if (budgetTokens !== undefined && budgetTokens > left)
    throw invalid(
      `found a budget of ${budgetTokens} tokens, expected at most ${left}: ${model} has ${slotTokens}, the question takes ${frame} and the answer up to ${answerTokens}`,
    );
  const budget = budgetSchema.parse({
    ...{ slotTokens, frameTokens: frame, answerTokens, counted: count.counted },
    passageTokens: budgetTokens ?? left,
  });
  const chunks = quotable.map((passage, index) => {
    const tokens = (count.tokens[framing.length + index] ?? 0) + jointTokens;
    return chunkSchema.parse({ ...passage, partial, tokens });
  });
  return { budget, chunks, task: count.task };
}

/** No passage fits. */
export function tooSmall(model: string, { passageTokens }: Budget, chunks: readonly Chunk[]): GridError {
  const least = Math.min(...chunks.map(({ tokens }) => tokens));
  return invalid(
    `the smallest passage takes ${least} tokens, and there is room for ${passageTokens} of ${model}: give a larger budget, or ask a model with more context`,
  );
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
