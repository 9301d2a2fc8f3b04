/** A document of the web, such as a list: read whole, as far as it is of a size to be one. */
import { failure, GridError } from '@gryphgen/protocol';
import {
  dismiss,
  placeOf,
  refusalOf,
  unreached,
  type WebAnswer,
  type WebClient,
  type WebQuestion,
} from './web-client.ts';

/** Of thousands of files. */
const mostBytes = 8 * 1024 * 1024;

/** Throws GridError where it is not there; the signal's reason when that is aborted. */
export async function webText(
  web: WebClient,
  url: URL,
  question: WebQuestion,
): Promise<{ readonly text: string; readonly answer: WebAnswer }> {
  const answer = await web.get(url, question);
  if (answer.status !== 200) {
    dismiss(answer.body);
    throw new GridError(refusalOf(answer.url, answer.status));
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of answer.body as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > mostBytes)
        throw new GridError(
          failure('execution.input', `${placeOf(answer.url)} answers with more than ${mostBytes} bytes`),
        );
      pieces.push(piece);
    }
  } catch (error) {
    question.signal?.throwIfAborted();
    throw error instanceof GridError ? error : new GridError(unreached(answer.url, error));
  } finally {
    dismiss(answer.body);
  }
  return { text: Buffer.concat(pieces).toString(), answer };
}
