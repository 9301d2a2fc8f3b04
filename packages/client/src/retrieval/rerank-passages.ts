/** Passages in the order in which a model for ranking has them: it reads each beside the question, which an index cannot. */
import { failure, GridError, type ModelDocument, type Passage } from '@gryphgen/protocol';
import { z } from 'zod';
import { type WholeAnswer, wholeAnswer } from '../inference/whole-answer.ts';
import type { AskOptions, Inference } from '../inference.ts';

/** In the terms of a score; no word is written so. */
const rankTerm = '(rerank)';
/** A text has at most a token a byte, and usually far fewer. */
const usualTokenBytes = 2;
const leastTokenBytes = 1;
/** Of the room for a question and a passage, what the question may take. */
const questionShare = 0.25;
/** What the model puts around the two. */
const aroundTokens = 8;

const answerSchema = z.object({
  results: z.array(z.object({ index: z.number().int().min(0), relevance_score: z.number() })),
});

export interface Reranked {
  readonly passages: readonly Passage[];
  readonly task: string;
}

/**
 * Best first by the model's score, which takes the place of the former one and is told among its terms. Texts that are
 * too long for the model are judged by their beginnings. Throws GridError.
 */
export async function rerankPassages(
  inference: Inference,
  model: ModelDocument,
  question: string,
  passages: readonly Passage[],
  options: AskOptions = {},
): Promise<Reranked> {
  const ask = (tokenBytes: number): Promise<WholeAnswer<z.infer<typeof answerSchema>>> => {
    const room = Math.max(0, model.serving.slotTokens - aroundTokens) * tokenBytes;
    const query = beginning(question, Math.floor(room * questionShare));
    const each = room - Buffer.byteLength(query);
    const documents = passages.map(({ title, text = '' }) =>
      beginning(title === undefined ? text : `${title}\n${text}`, each),
    );
    const request = new TextEncoder().encode(JSON.stringify({ query, documents }));
    const asked = inference.ask({ kind: 'rerank', model: model.name, path: '/v1/rerank', request }, options);
    return wholeAnswer(asked, model.name, 'rerank', answerSchema);
  };
  const { value, task } = await ask(usualTokenBytes).catch((error: unknown) => {
    // The server tells too long a text as an error of its own; of a byte a token none is.
    if (error instanceof GridError && /too large/.test(error.message)) return ask(leastTokenBytes);
    throw error;
  });
  const scores = new Map(value.results.map(({ index, relevance_score: score }) => [index, score]));
  const ranked = passages.map((passage, index) => {
    const score = scores.get(index);
    if (score === undefined)
      throw new GridError(
        failure(
          'execution.model',
          `${model.name} has no score for passage ${index + 1} of ${passages.length}`,
        ),
      );
    return { ...passage, score, terms: { ...passage.terms, [rankTerm]: score } };
  });
  return { passages: ranked.sort((a, b) => b.score - a.score), task };
}

function beginning(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  // Half of a character is none.
  return bytes
    .subarray(0, maxBytes)
    .toString()
    .replace(/\ufffd+$/, '');
}
