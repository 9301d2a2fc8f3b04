/** What a model wrote, held against what it was read. */
import { parseJson } from '@gryphgen/runtime';
import { type ContextPack, modelAnswerSchema } from './ask-steps.ts';

export type CheckedAnswer =
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'not-found' }
  | {
      readonly kind: 'answered';
      readonly answer: string;
      /** Passages that there are, each once, as they were cited. */
      readonly cited: readonly number[];
      readonly unknown: readonly number[];
    };

/** Of what it wrote instead of an answer, as much is told. */
const shownChars = 200;

/** `reason`: why it stopped writing, in the server's word. */
export function checkAnswer(
  text: string,
  reason: string,
  { passages }: Pick<ContextPack, 'passages'>,
): CheckedAnswer {
  if (reason === 'length')
    return { kind: 'wrong', why: `the answer was cut off: ${JSON.stringify(text.slice(-shownChars))}` };
  const written = modelAnswerSchema.safeParse(parseJson(text));
  if (!written.success) {
    const [issue] = written.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    const found = JSON.stringify(text.slice(0, shownChars));
    return {
      kind: 'wrong',
      why: `the answer is not as it was asked for (${where}${issue?.message}): ${found}`,
    };
  }
  if (!written.data.found) return { kind: 'not-found' };
  const answer = written.data.answer.trim();
  if (answer === '') return { kind: 'wrong', why: 'the answer has no words' };
  const numbers = [...new Set(written.data.citations)];
  const isThere = (number: number): boolean => passages.some((passage) => passage.number === number);
  return {
    kind: 'answered',
    answer,
    cited: numbers.filter(isThere),
    unknown: numbers.filter((number) => !isThere(number)),
  };
}
